// The same as status.py, for k6.
import http from "k6/http";
import { check } from "k6";

export const options = { discardResponseBodies: __ENV.DISCARD === "1" };

const url = `${__ENV.URL}/file`;
const checks = { "status is 200": (response) => response.status === 200 };

export default function () {
  check(http.get(url), checks);
}
