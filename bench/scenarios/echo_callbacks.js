// The same as echo.js, for k6's older API.
import ws from "k6/ws";
import { check } from "k6";
import { Trend } from "k6/metrics";

const ECHOES = 1000;
const TEXT = "hello world, and thirty bytes.";
const measured = __ENV.MEASURED === "1";
const url = `${__ENV.URL.replace("http", "ws")}/ws`;
const duration = new Trend("echo_duration", true);
const checks = { "the echo is what was sent": (text) => text === TEXT };

export default function () {
  ws.connect(url, {}, (socket) => {
    let left = ECHOES;
    let sent = 0;
    function ask() {
      sent = Date.now();
      socket.send(TEXT);
    }
    socket.on("open", ask);
    socket.on("message", (text) => {
      if (measured) {
        duration.add(Date.now() - sent);
        check(text, checks);
      }
      left -= 1;
      if (left > 0) ask();
      else socket.close();
    });
  });
}
