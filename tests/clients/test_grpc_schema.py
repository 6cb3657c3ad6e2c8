"""Methods and messages from .proto files and from reflection: what fits, and what is said of what does not."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgate.clients.grpc import MessageError, Method
from loadgate.clients.grpc.protos import compile_protos
from loadgate.clients.grpc.reflection import reflect
from loadgate.clients.grpc.schema import Schema
from loadgate.errors import ConfigError, LoadgateError
from tests.support.grpc_server import GREETER, PROTOS, SERVICE, GrpcServer, serving
from tests.support.grpc_talk import GrpcTalk, grpc_talk
from tests.support.h2_server import HEADERS, H2Server, head

HELLO = f"{SERVICE}/SayHello"
FULL = {
    "name": "n",
    "data": "AAEC",
    "code": 3,
    "at": "2024-05-06T07:08:09Z",
    "part": {"long_name": "l", "numbers": ["1", "9007199254740993"]},
}


@pytest.fixture(scope="module")
def compiled() -> Schema:
    return compile_protos([GREETER])


@pytest.fixture(scope="module")
def reflecting() -> Iterator[GrpcServer]:
    with serving("--reflection") as server:
        yield server


@pytest.fixture(scope="module")
def reflected(reflecting: GrpcServer) -> Schema:
    return asyncio.run(reflect(reflecting.url))


@pytest.fixture(params=["compiled", "reflected"])
def schema(request: pytest.FixtureRequest) -> Schema:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Schema)
    return found


def test_methods_and_their_kinds(schema: Schema) -> None:
    assert SERVICE in schema.services
    kinds = {name: schema.method(f"{SERVICE}/{name}").kind for name in ("SayHello", "Count", "Collect", "Chat")}
    assert list(kinds.values()) == ["unary", "server_streaming", "client_streaming", "bidi_streaming"]
    method = schema.method(f"/{HELLO}")
    assert (method.path, method.name) == (f"/{HELLO}", HELLO)
    assert (method.request_type, method.reply_type) == ("test.greeter.Request", "test.greeter.Reply")


def test_messages_with_all_that_json_has_ways_for(schema: Schema) -> None:
    method = schema.method(HELLO)
    wire = method.encode(FULL)
    assert wire == method.encode({**FULL, "part": {"longName": "l", "numbers": [1, 9007199254740993]}})
    same = Method("", decoder=schema._decoder(schema._pool.FindMessageTypeByName("test.greeter.Request")))
    assert same.decode(wire) == FULL
    assert wire == method.encode({**FULL, "data": b"\x00\x01\x02"})
    assert method.encode(None) == b""
    assert method.encode(b"as it is") == b"as it is"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"nmae": 1}, "no field `nmae`: did you mean `name`"),
        ({"zzzzzz": 1}, "no field `zzzzzz`: it has name, data"),
        ({"name": 1}, "`name` takes a text, not 1"),
        ({"code": "many"}, "`code` takes a whole number of 32 bits, not `many`"),
        ({"code": 2**40}, "`code` takes a whole number of 32 bits, not 1099511627776"),
        (
            {"part": {"numbers": [1, "x"]}},
            r"test\.parts\.Part: `part\.numbers\[1\]` takes a whole number of 64 bits, not `x`",
        ),
        ({"part": {"numbers": 1}}, r"`part\.numbers` takes a list, not 1"),
        ({"part": {"long_nam": 1}}, r"Part has no field `long_nam` \(`part\.long_nam`\): did you mean `long_name`"),
        ({"part": [1]}, r"`part` takes a mapping of fields to values, not \[1\]"),
        ({"at": "yesterday"}, "`at` takes a time such as 2020-01-02T03:04:05Z, not `yesterday`"),
        ([1], "takes fields by name"),
    ],
)
def test_a_message_that_does_not_fit_is_refused_with_its_reason(compiled: Schema, message: object, words: str) -> None:
    with pytest.raises(MessageError, match=words):
        compiled.method(HELLO).encode(message)  # type: ignore[arg-type]


ODD = """\
syntax = "proto2";
package odd;
enum Kind { KIND_NONE = 0; KIND_RED = 1; }
message Inner { required int32 size = 1; optional Kind kind = 2; }
message Odd { required string name = 1; optional Inner inner = 2; repeated Inner more = 3;
  oneof one { int32 a = 4; int32 b = 5; }
  optional bool yes = 6; optional bytes data = 7; optional float share = 8; }
message Maps { map<string, Kind> kinds = 1; }
service S { rpc One (Odd) returns (Odd); rpc Two (Maps) returns (Odd); }
"""


@pytest.mark.parametrize(
    ("method", "message", "words"),
    [
        (
            "One",
            {"inner": {"kind": "KIND_REED"}},
            "odd.Inner: `KIND_REED` in `inner.kind` is no odd.Kind: did you mean `KIND_RED`?",
        ),
        (
            "One",
            {"more": [{}, {"kind": "red"}]},
            "odd.Inner: `red` in `more[1].kind` is no odd.Kind: did you mean `KIND_RED`?",
        ),
        ("One", {"inner": {"kind": [1]}}, "odd.Inner: `inner.kind` takes a name of odd.Kind, not [1]"),
        (
            "One",
            {"inner": {"kind": "BLUE"}},
            "odd.Inner: `BLUE` in `inner.kind` is no odd.Kind: it has KIND_NONE, KIND_RED",
        ),
        ("One", {"yes": "yes"}, "odd.Odd: `yes` takes true or false, not `yes`"),
        ("One", {"share": {"a": True}}, 'odd.Odd: `share` takes a number, not {"a": true}'),
        ("One", {"data": 5}, "odd.Odd: `data` takes bytes in base64, not 5"),
        ("One", {"name": "x", "a": 1, "b": 2}, 'multiple "one" oneof fields'),
        ("One", {"more": [{"size": 1}, {}]}, "odd.Odd lacks name,more[1].size"),
        (
            "Two",
            {"kinds": {"a": 1, "b": "NONE", "c": "?"}},
            "odd.Maps: `NONE` in `kinds.b` is no odd.Kind: did you mean `KIND_NONE`?",
        ),
        ("Two", {"kinds": ["a"]}, 'odd.Maps: `kinds` takes a mapping, not ["a"]'),
    ],
)
def test_what_does_not_fit_is_named_with_its_path(
    tmp_path: Path, method: str, message: dict[str, object], words: str
) -> None:
    (tmp_path / "odd.proto").write_text(ODD)
    found = compile_protos([tmp_path / "odd.proto"]).method(f"odd.S/{method}")
    with pytest.raises(MessageError) as caught:
        found.encode(message)
    assert words in str(caught.value)


def test_bytes_that_are_no_such_message_are_refused(compiled: Schema) -> None:
    with pytest.raises(MessageError, match=r"3 bytes that are no test\.greeter\.Reply"):
        compiled.method(HELLO).decode(b"\xff\xff\xff")


FLAT = """\
syntax = "proto3";
package flat;
message Flat {
  string text = 1; bool yes = 2; int32 a = 3; uint32 b = 4; sint32 c = 5; fixed32 d = 6; sfixed32 e = 7;
  optional string maybe = 8; oneof one { int32 f = 9; string g = 10; }
}
message Like { string text = 1; EXTRA }
service S { rpc One (Flat) returns (Flat); rpc Other (Like) returns (Like); }
"""
OTHERS = ("int64", "uint64", "double", "float", "bytes", "Flat", "repeated string", "map<string, int32>", "Kind")


@given(
    text=st.text(max_size=5),
    yes=st.booleans(),
    signed=st.tuples(*[st.sampled_from([0, 1, -1, 2**31 - 1, -(2**31)])] * 3),
    unsigned=st.tuples(*[st.sampled_from([0, 1, 2**32 - 1])] * 2),
    more=st.sampled_from([{}, {"maybe": ""}, {"maybe": "x", "f": 0}, {"g": ""}]),
)
def test_a_message_of_plain_fields_is_what_json_makes_of_it(
    flat: Schema, text: str, yes: bool, signed: tuple[int, ...], unsigned: tuple[int, ...], more: dict[str, object]
) -> None:
    """Such messages are not converted by protobuf's own JSON, which is the oracle here."""
    method = flat.method("flat.S/One")
    fields = {
        "text": text,
        "yes": yes,
        **dict(zip("ace", signed, strict=True)),
        **dict(zip("bd", unsigned, strict=True)),
    }
    sent = {name: value for name, value in {**fields, **more}.items() if value or name in more}
    assert method.decode(method.encode(sent)) == sent


@pytest.mark.parametrize("kind", OTHERS)
def test_other_fields_are_as_in_json(tmp_path: Path, kind: str) -> None:
    extra = f"{kind} x = 2;" + (" enum Kind { NONE = 0; SOME = 1; }" if kind == "Kind" else "")
    (tmp_path / "flat.proto").write_text(FLAT.replace("EXTRA", extra))
    method = compile_protos([tmp_path / "flat.proto"]).method("flat.S/Other")
    values = {
        "int64": str(2**60),
        "uint64": "1",
        "double": "Infinity",
        "float": 0.1,
        "bytes": "AAE=",
        "Flat": {"text": "t"},
        "repeated string": ["a", ""],
        "map<string, int32>": {"k": 1},
        "Kind": "SOME",
    }
    message = {"text": "a", "x": values[kind]}
    assert json.loads(json.dumps(method.decode(method.encode(message)))) == message


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    path = tmp_path_factory.mktemp("flat") / "flat.proto"
    path.write_text(FLAT.replace("EXTRA", ""))
    return compile_protos([path])


def test_equal_messages_are_encoded_once_and_like_ones_are_not_mistaken(compiled: Schema) -> None:
    method = compiled.method(f"{SERVICE}/Count")
    assert method.wire({"name": "a"}) is method.wire({"name": "a"})
    assert method.wire({"count": 1})[5:] == b"\x38\x01"
    assert method.wire({"count": 0})[5:] == b""
    with pytest.raises(MessageError):
        method.wire({"name": 1})
    assert method.wire({"name": "1"})[5:] == b"\x0a\x011"
    for number in range(5000):
        method.wire({"name": str(number)})
    assert len(method._known) <= 1024


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (f"{SERVICE}/SayHelo", f"service {SERVICE} has no method `SayHelo`.*did you mean `SayHello`"),
        (f"{SERVICE}/Frobnicate", r"has no method `Frobnicate`.*there is SayHello, Count, Collect, Chat"),
        ("test.greeter.Greter/SayHello", f"no service `test.greeter.Greter`.*did you mean `{SERVICE}`"),
        ("Greeter/SayHello", f"no service `Greeter`.*did you mean `{SERVICE}`"),
        ("SayHello", "no service `SayHello`"),
    ],
)
def test_wrong_names_are_refused_with_the_nearest(schema: Schema, name: str, words: str) -> None:
    with pytest.raises(LoadgateError, match=f"(?s){words}") as caught:
        schema.method(name)
    assert caught.value.exit_code == 2


# -- .proto files


def test_imports_are_found_in_proto_paths(tmp_path: Path) -> None:
    (tmp_path / "own.proto").write_text(
        'syntax = "proto3"; import "parts.proto"; service Own { rpc Do(test.parts.Part) returns (test.parts.Part); }'
    )
    with pytest.raises(LoadgateError, match=r"parts\.proto"):
        compile_protos([tmp_path / "own.proto"])
    schema = compile_protos([tmp_path / "own.proto"], [PROTOS])
    assert schema.services == ("Own",)
    assert schema.method("Own/Do").encode({"long_name": "x"}) == b"\x0a\x01x"


def test_an_error_in_a_file_is_shown_at_its_place(tmp_path: Path) -> None:
    file = tmp_path / "bad.proto"
    file.write_text('syntax = "proto3";\nmessage A {\n  strin name = 1;\n  Nope other = 2;\n}\n')
    with pytest.raises(ConfigError) as caught:
        compile_protos([file])
    text = str(caught.value)
    assert f"{file}:3:3" in text
    assert '"strin" is not defined' in text
    assert "  strin name = 1;\n   |   ^^^^^" in text
    assert f"{file}:4:3" in text


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoadgateError, match="there is no file"):
        compile_protos([tmp_path / "none.proto"])
    with pytest.raises(LoadgateError, match="there is no folder"):
        compile_protos([GREETER], [tmp_path / "none"])


def test_compiling_leaves_standard_error_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "bad.proto").write_text("nonsense")
    before = os.fstat(2)
    with pytest.raises(LoadgateError):
        compile_protos([tmp_path / "bad.proto"])
    assert os.path.samestat(before, os.fstat(2))


def test_without_the_extra_the_error_says_what_to_install() -> None:
    program = (
        "import sys\nfor name in ('google.protobuf', 'grpc_tools', 'grpc_reflection'):\n    sys.modules[name] = None\n"
        "import loadgate.clients.grpc\nfrom loadgate.errors import LoadgateError\n"
        "try:\n    import loadgate.clients.grpc.schema\nexcept LoadgateError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert "pip install loadgate[grpc]" in done.stdout, done.stderr


# -- reflection


def test_a_reflected_schema_serves_calls(reflecting: GrpcServer, reflected: Schema) -> None:
    async def main(here: GrpcTalk) -> None:
        reply = await here.user().unary(HELLO, {"name": "you", "at": "2024-05-06T07:08:09Z"})
        assert (reply.message["message"], reply.message["at"]) == ("Hello you", "2024-05-06T07:08:09Z")

    grpc_talk(main, reflecting.url, schema=reflected)


def test_a_server_without_reflection_is_named() -> None:
    with serving() as server, pytest.raises(LoadgateError, match=r"(?s)offers no reflection.*\.proto files"):
        asyncio.run(reflect(server.url))


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(LoadgateError, match=r"cannot ask.*refused"):
        asyncio.run(reflect("grpc://127.0.0.1:1"))


def test_a_server_that_does_not_answer_is_given_up() -> None:
    async def main() -> None:
        async with H2Server(lambda _: []) as server:
            await reflect(server.url, timeout=0.1)

    with pytest.raises(LoadgateError, match=r"no whole reply within 0\.1 s"):
        asyncio.run(main())


def test_an_account_that_is_broken_off_is_an_error() -> None:
    """The server ends the stream at once with status OK, without a word."""

    async def main() -> None:
        async with H2Server() as server:
            task = asyncio.create_task(reflect(server.url, timeout=1.0))
            while not (server.peers and server.peers[0].heads):
                await asyncio.sleep(0.001)
            server.peers[0].transport.write(head(1, *HEADERS, (b"grpc-status", b"0"), end=True))
            await task

    with pytest.raises(LoadgateError, match="cannot ask"):
        asyncio.run(main())


def test_without_a_schema_messages_are_bytes() -> None:
    async def main(here: GrpcTalk) -> None:
        with pytest.raises(MessageError, match="must be given as bytes"):
            here.user().unary("a.B/C", {"x": 1})
        with pytest.raises(ValueError, match=r"write `package\.Service/Method`"):
            here.user().unary("a.B.C", b"")

    grpc_talk(main)
