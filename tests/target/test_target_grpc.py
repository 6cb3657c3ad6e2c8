"""gRPC as grpcio's client sees it: the four kinds of calls, reflection, sizes, deadlines, codings, the ends of calls."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from loadgate.clients.grpc.reflection import reflect
from loadgate.target.grpc import descriptor
from loadgate.target.grpc.protobuf import block, whole
from tests.target.greeting import SERVICE, Greeter, greeter, grpc, hello, named, status_of
from tests.target.raw import ask, connect
from tests.target.serving import serving

PATIENCE = 20.0
PROTO = Path(descriptor.__file__).parent / "greeter.proto"
FIXED = {"protocols": {"grpc": {"latency": {"shape": "fixed", "ms": 60_000}}}}


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    with serving() as urls:
        yield urls


@pytest.fixture
def client(urls: dict[str, str]) -> Iterator[Greeter]:
    with greeter(urls["grpc"]) as client:
        yield client


def refused(call: Any) -> tuple[str, str]:
    """Status and text of a call that must fail."""
    with pytest.raises(grpc.RpcError) as caught:
        list(call) if hasattr(call, "__iter__") else call()
    return caught.value.code().name, caught.value.details()


def counted(urls: dict[str, str], line: str) -> None:
    """Wait until the target's metrics have `line`."""
    deadline = time.monotonic() + 5
    while f"{line}\n" not in ask(urls["http"], "GET /metrics").body.decode():
        assert time.monotonic() < deadline, line


def test_all_four_kinds_of_calls_are_answered(client: Greeter) -> None:
    assert client.hello(named("Jürgen"), timeout=PATIENCE).message == hello("Jürgen")
    assert client.hello(named(""), timeout=PATIENCE).message == hello("")
    texts = [reply.message for reply in client.stream(named("a"), timeout=PATIENCE)]
    assert texts == [f"Hello a! Stream message {n} of 5 from MockForge" for n in range(1, 6)]
    reply = client.collect(map(named, ("a", "b", "")), timeout=PATIENCE)
    assert reply.message == "Hello a, b, ! Received 3 messages from MockForge client stream."
    assert client.collect(iter(()), timeout=PATIENCE).message == "Hello! No names received in the stream."
    texts = [reply.message for reply in client.chat(map(named, "ab"), timeout=PATIENCE)]
    assert texts == ["Chat response 1: Hello a! from MockForge", "Chat response 2: Hello b! from MockForge"]
    assert list(client.chat(iter(()), timeout=PATIENCE)) == []


def test_messages_of_a_stream_come_a_tenth_of_a_second_apart(client: Greeter) -> None:
    start = time.perf_counter()
    times = [time.perf_counter() - start for _ in client.stream(named(), timeout=PATIENCE)]
    for n, at in enumerate(times):
        assert at >= n * 0.1, times
    assert times[0] < times[4]


def test_a_chat_answers_while_it_goes_on(client: Greeter) -> None:
    questions: Queue[Any] = Queue()
    questions.put(named("0"))
    replies = client.chat(iter(questions.get, None), timeout=PATIENCE)
    for n in range(50):
        assert next(replies).message == f"Chat response {n + 1}: Hello {n}! from MockForge"
        questions.put(named(str(n + 1)))
    questions.put(None)
    assert [reply.message for reply in replies] == ["Chat response 51: Hello 50! from MockForge"]


def test_what_is_unknown_is_unimplemented_and_says_so(client: Greeter) -> None:
    code, text = refused(lambda: client.missing(named(), timeout=PATIENCE))
    assert (code, text) == ("UNIMPLEMENTED", f"there is no method /{SERVICE}/SayGoodbye")
    strange = client.channel.unary_unary("/a.B/C%20Ä")
    assert refused(lambda: strange(b"", timeout=PATIENCE)) == ("UNIMPLEMENTED", "there is no method /a.B/C%20Ä")


def test_a_message_that_is_none_is_internal(client: Greeter) -> None:
    say = client.channel.unary_unary(f"/{SERVICE}/SayHello")
    for data, why in (
        (b"\x0a\x05abc", "field 1 is longer than its message"),
        (b"\x0a\x01\xff", "the text of field 1 is not UTF-8"),
        (b"\x08\x01", "field 1 is no text"),
        (b"\x0b", "wire type 3 in field 1"),
        (b"\x02\x00", "a field without a number"),
        (b"\x80" * 11, "a number that does not end"),
    ):
        code, text = refused(lambda data=data: say(data, timeout=PATIENCE))
        assert (code, text) == ("INTERNAL", f"this is no HelloRequest: {why}")
    # fields that are not known are nobody's business (proto3)
    assert (
        say(b"\x10\x96\x01\x1d\x00\x00\x00\x00\x19" + bytes(8) + b"\x0a\x01a", timeout=PATIENCE)[2:]
        == hello("a").encode()
    )


@pytest.mark.parametrize("size", [16_370, 65_535, 300_000, 4 * 2**20 - 10])
def test_messages_beyond_every_window_come_back(client: Greeter, size: int) -> None:
    name = "x" * size
    assert client.hello(named(name), timeout=PATIENCE).message == hello(name)


def test_a_message_that_is_too_large_exhausts_resources(client: Greeter) -> None:
    code, text = refused(lambda: client.hello(named("x" * 4 * 2**20), timeout=PATIENCE))
    assert (code, text) == ("RESOURCE_EXHAUSTED", "a message of 4,194,309 bytes, more than 4,194,304")
    assert client.hello(named(), timeout=PATIENCE).message == hello()


def test_a_chat_of_more_than_all_windows_hold(client: Greeter) -> None:
    name = "y" * 200_000
    replies = client.chat((named(name) for _ in range(150)), timeout=PATIENCE)
    assert [len(reply.message) for reply in replies] == [
        len(name) + len(f"Chat response {n}: Hello ! from MockForge") for n in range(1, 151)
    ]


@pytest.mark.slow
def test_more_calls_at_once_than_one_connection_may_have() -> None:
    chaos = {"latency": {"shape": "uniform", "low_ms": 100, "high_ms": 200}}
    with serving(chaos) as urls, greeter(urls["grpc"]) as client:
        calls = [client.hello.future(named(str(n)), timeout=PATIENCE) for n in range(1500)]
        assert [call.result().message for call in calls] == [hello(str(n)) for n in range(1500)]
        counted(urls, "loadgate_target_connections_open 2")
        counted(urls, f'loadgate_target_requests_total{{method="CALL",route="/{SERVICE}/SayHello",status="0"}} 1500')


def test_deadlines_are_kept_and_a_client_that_leaves_is_noticed() -> None:
    with serving(FIXED) as urls, greeter(urls["grpc"]) as client:
        assert refused(lambda: client.hello(named(), timeout=0.1))[0] == "DEADLINE_EXCEEDED"
        call = client.hello.future(named(), timeout=PATIENCE)
        counted(urls, "loadgate_target_delayed_total 2")
        call.cancel()
        counted(urls, "loadgate_target_abandoned_total 1")
        call = client.chat(itertools.repeat(named()), timeout=PATIENCE)
        counted(urls, "loadgate_target_delayed_total 3")
        client.channel.close()
        counted(urls, "loadgate_target_abandoned_total 2")
        counted(urls, "loadgate_target_connections_open 1")


def test_gzip_is_read_and_other_codings_are_refused_by_name(urls: dict[str, str]) -> None:
    with greeter(urls["grpc"], compression=grpc.Compression.Gzip) as client:
        name = "z" * 1_000_000
        assert client.hello(named(name), timeout=PATIENCE).message == hello(name)
        assert client.collect(map(named, "ab"), timeout=PATIENCE).message.startswith("Hello a, b!")
    with greeter(urls["grpc"], compression=grpc.Compression.Deflate) as client:
        call = client.hello.future(named("z" * 1000), timeout=PATIENCE)
        assert status_of(call) == "UNIMPLEMENTED"
        assert call.details() == "messages compressed as deflate are not read here, gzip is"


def test_metadata_of_any_kind_is_taken(client: Greeter) -> None:
    metadata = (("x-team", "red"), ("x-team", "blue"), ("x-bytes-bin", bytes(range(256))), ("x-long", "v" * 6000))
    for _ in range(3):
        call = client.hello.with_call(named(), timeout=PATIENCE, metadata=metadata)[1]
        assert [name for name, _ in call.initial_metadata() if name.startswith("x-")] == []


def test_reflection_tells_what_can_be_called(urls: dict[str, str], client: Greeter) -> None:
    database: Any = import_module("grpc_reflection.v1alpha.proto_reflection_descriptor_database")
    pool_of: Any = import_module("google.protobuf.descriptor_pool")
    known = database.ProtoReflectionDescriptorDatabase(client.channel)
    assert list(known.get_services()) == [SERVICE]
    service = pool_of.DescriptorPool(known).FindServiceByName(SERVICE)
    assert [method.name for method in service.methods] == ["SayHello", "SayHelloStream", "SayHelloClientStream", "Chat"]
    assert known.FindFileByName("greeter.proto").SerializeToString() == descriptor.FILE
    for symbol in descriptor.SYMBOLS:
        assert known.FindFileContainingSymbol(symbol).name == "greeter.proto", symbol
    for ask_for in (known.FindFileByName, known.FindFileContainingSymbol, known.FindAllExtensionNumbers):
        with pytest.raises(KeyError):
            ask_for("a.B")
    assert list(known.FindAllExtensionNumbers("mockforge.greeter.HelloReply")) == []


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (block(3, b"a.proto"), whole(1, 5) + block(2, b"there is no a.proto")),
        (block(4, b"a.B"), whole(1, 5) + block(2, b"there is no a.B")),
        (block(5, block(1, b"a.B") + whole(2, 1)), whole(1, 5) + block(2, b"there are no extensions")),
        (b"", whole(1, 3) + block(2, b"the request asks for nothing")),
    ],
)
def test_reflection_says_what_it_does_not_know(client: Greeter, question: bytes, answer: bytes) -> None:
    question = block(1, b"host") + question
    ask_for = client.channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    assert list(ask_for(iter([question]), timeout=PATIENCE)) == [
        block(1, b"host") + block(2, question) + block(7, answer)
    ]


def test_it_says_that_it_serves(client: Greeter) -> None:
    check = client.channel.unary_unary("/grpc.health.v1.Health/Check")
    for service in (b"", SERVICE.encode()):
        question = b"\x0a%c%b" % (len(service), service) if service else b""
        assert check(question, timeout=PATIENCE) == b"\x08\x01"
    assert refused(lambda: check(b"\x0a\x03a.B", timeout=PATIENCE)) == ("NOT_FOUND", "there is no service a.B")
    assert refused(lambda: check(b"\x0a\x03a.", timeout=PATIENCE))[0] == "INTERNAL"


def test_our_own_client_is_told_over_the_stable_version() -> None:
    with serving() as urls:
        method = asyncio.run(reflect(urls["grpc"])).method(f"{SERVICE}/Chat")
        assert method.client_streaming and method.server_streaming
        path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
        counted(urls, f'loadgate_target_requests_total{{method="CALL",route="{path}",status="0"}} 1')


def test_the_descriptor_is_that_of_the_proto_file(tmp_path: Path) -> None:
    protoc: Any = import_module("grpc_tools.protoc")
    files: Any = import_module("google.protobuf.descriptor_pb2")
    made = tmp_path / "greeter.bin"
    assert protoc.main(["protoc", f"-I{PROTO.parent}", f"--descriptor_set_out={made}", str(PROTO)]) == 0
    (file,) = files.FileDescriptorSet.FromString(made.read_bytes()).file
    assert file.SerializeToString() == descriptor.FILE
    names = [f"{file.package}.{message.name}" for message in file.message_type]
    names += [f"{file.package}.{message.name}.{field.name}" for message in file.message_type for field in message.field]
    names += [f"{file.package}.{service.name}" for service in file.service]
    names += [f"{file.package}.{service.name}.{method.name}" for service in file.service for method in service.method]
    assert {*names} == descriptor.SYMBOLS


def test_a_client_of_http_1_is_told_what_this_port_is(urls: dict[str, str]) -> None:
    with connect(urls["grpc"].replace("grpc", "http")) as raw:
        raw.send(b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n")
        assert b"this port speaks gRPC" in raw.until(b"from the first byte on")
        assert raw.ended()
