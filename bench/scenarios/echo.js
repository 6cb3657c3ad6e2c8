// The same as echo.py, for k6's browser-like API. MEASURED=1: each echo is timed and checked, as Loadgate does anyway.
import { WebSocket } from "k6/experimental/websockets";
import { check } from "k6";
import { Trend } from "k6/metrics";

const ECHOES = 1000;
const TEXT = "hello world, and thirty bytes.";
const measured = __ENV.MEASURED === "1";
const url = `${__ENV.URL.replace("http", "ws")}/ws`;
const duration = new Trend("echo_duration", true);
const checks = { "the echo is what was sent": (text) => text === TEXT };

export default function () {
  const ws = new WebSocket(url);
  let left = ECHOES;
  let sent = 0;
  function ask() {
    sent = Date.now();
    ws.send(TEXT);
  }
  ws.onopen = ask;
  ws.onmessage = (event) => {
    if (measured) {
      duration.add(Date.now() - sent);
      check(event.data, checks);
    }
    left -= 1;
    if (left > 0) ask();
    else ws.close();
  };
}
