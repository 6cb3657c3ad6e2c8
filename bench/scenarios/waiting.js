// The same as waiting.py, for k6.
import http from "k6/http";
import { check, sleep } from "k6";

const url = `${__ENV.URL}/logged`;
const checks = { "status is 200": (response) => response.status === 200 };

export default function () {
  check(http.get(url), checks);
  sleep(1);
}
