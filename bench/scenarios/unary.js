// Unary gRPC calls with a check of the status, over one connection a VU, as k6's documentation shows it.
import grpc from "k6/net/grpc";
import { check } from "k6";

const client = new grpc.Client();
client.load([], "greeter.proto");
const checks = { "status is OK": (reply) => reply && reply.status === grpc.StatusOK };
let connected = false;

export default function () {
  if (!connected) {
    client.connect(__ENV.TARGET, { plaintext: true });
    connected = true;
  }
  check(client.invoke("bench.Greeter/SayHello", { name: "bench" }), checks);
}
