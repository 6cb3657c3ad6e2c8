"""The methods of a server and the types of their messages, from `.proto` files or from what the server says of itself.

Needs the `grpc` extra (protobuf), which nothing else imports.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from loadgate.clients.grpc.method import IncompleteError, MessageError, Method
from loadgate.errors import LoadgateError, nearest

try:  # untyped, all of it
    _pools: Any = import_module("google.protobuf.descriptor_pool")
    _json: Any = import_module("google.protobuf.json_format")
    _classes: Any = import_module("google.protobuf.message_factory")
    _message: Any = import_module("google.protobuf.message")
except ImportError:
    raise LoadgateError("gRPC needs packages that are not installed", "`pip install loadgate[grpc]`") from None

_SHOWN: Final = 8
_REFUSALS: Final = (_json.ParseError, TypeError, ValueError, AttributeError)
"""What protobuf raises for fields that do not make a message."""
_AS_THEY_ARE: Final = frozenset(
    getattr(import_module("google.protobuf.descriptor").FieldDescriptor, f"TYPE_{kind}")
    for kind in ("STRING", "BOOL", "INT32", "UINT32", "SINT32", "FIXED32", "SFIXED32")
)
"""Types of fields whose single values proto3's JSON has as they are: messages of these alone need no conversion, which is
three times as dear as reading them."""


class Schema:
    """Services by full name. `source` says where it is from, for messages; `paths` are the files it is from, if it is."""

    def __init__(
        self, files: Iterable[Any], services: Iterable[str] | None, source: str, paths: Sequence[Path] = ()
    ) -> None:
        """`files` come after those they import. Raises LoadgateError where they do not fit together."""
        self.source = source
        self.paths = tuple(paths)
        self._pool = _pools.DescriptorPool()
        self._methods: dict[str, Method] = {}
        names = []
        for file in files:
            try:
                self._pool.Add(file)
            except (TypeError, ValueError) as error:
                raise LoadgateError(f"{source}: `{file.name}` cannot be used: {error}") from None
            names += [f"{file.package}.{service.name}".lstrip(".") for service in file.service]
        wanted = sorted(names if services is None else set(services) & set(names))
        self._services: dict[str, Any] = {name: self._pool.FindServiceByName(name) for name in wanted}

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(self._services)

    @property
    def methods(self) -> tuple[str, ...]:
        """Every `package.Service/Method`."""
        return tuple(f"{name}/{own.name}" for name, service in self._services.items() for own in service.methods)

    def method(self, name: str) -> Method:
        """The method `package.Service/Method`. Raises LoadgateError with the nearest names where there is none."""
        found = self._methods.get(name)
        if found is None:
            service_name, _, own = name.removeprefix("/").rpartition("/")
            service = self._services.get(service_name)
            if service is None:
                raise self._unknown(f"no service `{service_name or name}`", service_name or name, self._services)
            own_names = [method.name for method in service.methods]
            if own not in own_names:
                raise self._unknown(f"service {service_name} has no method `{own}`", own, own_names)
            found = self._methods[name] = self._made(service.methods_by_name[own])
        return found

    def _unknown(self, what: str, word: str, known: Iterable[str]) -> LoadgateError:
        names = list(known)
        short = {name.rpartition(".")[2]: name for name in names}
        near = nearest(word, names) or short.get(nearest(word.rpartition(".")[2], short) or "")
        if near is not None:
            return LoadgateError(f"{what} in {self.source}", f"did you mean `{near}`?")
        shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
        return LoadgateError(f"{what} in {self.source}", f"there is {shown}" if names else "it has no services")

    def _made(self, found: Any) -> Method:
        return Method(
            f"/{found.containing_service.full_name}/{found.name}",
            found.input_type.full_name,
            found.output_type.full_name,
            bool(found.client_streaming),
            bool(found.server_streaming),
            self._encoder(found.input_type),
            self._decoder(found.output_type),
        )

    def _encoder(self, kind: Any) -> Callable[[Any], bytes]:
        make = _classes.GetMessageClass(kind)
        pool = self._pool

        def fits(kind: Any, fields: Mapping[str, Any]) -> bool:
            try:
                _json.ParseDict(fields, _classes.GetMessageClass(kind)(), descriptor_pool=pool)
            except _REFUSALS:
                return False
            return True

        def encode(message: Any) -> bytes:
            if hasattr(message, "SerializeToString"):
                return bytes(message.SerializeToString())
            if not isinstance(message, Mapping):
                raise MessageError(f"{kind.full_name} takes fields by name, not {type(message).__name__}")
            fields = _plain(message)
            try:
                return bytes(_json.ParseDict(fields, make(), descriptor_pool=pool).SerializeToString())
            except _message.EncodeError as error:  # `Message a.B is missing required fields: c,d.e`
                raise IncompleteError(f"{kind.full_name} lacks {str(error).rpartition(': ')[2]}") from None
            except _REFUSALS as error:
                from loadgate.clients.grpc.misfit import misfit  # which nobody needs whose messages fit

                why = misfit(kind, fields, fits) or f"{kind.full_name}: {str(error).rstrip('.')}"
                raise MessageError(why) from None

        return encode

    def _decoder(self, kind: Any) -> Callable[[bytes], dict[str, Any]]:
        parse = _classes.GetMessageClass(kind).FromString
        pool = self._pool
        flat = not kind.is_extendable and all(map(_is_as_it_is, kind.fields))

        def decode(data: bytes) -> dict[str, Any]:
            try:
                message = parse(data)
            except _message.DecodeError:
                raise MessageError(f"{len(data):,} bytes that are no {kind.full_name}") from None
            if flat:
                return {field.name: value for field, value in message.ListFields()}
            fields = _json.MessageToDict(message, preserving_proto_field_name=True, descriptor_pool=pool)
            return fields if isinstance(fields, dict) else {"value": fields}

        return decode


def _is_as_it_is(field: Any) -> bool:
    """Whether proto3's JSON has the value of this field as it is."""
    return field.type in _AS_THEY_ARE and not isinstance(field.default_value, list)  # that of a repeated field is []


def _plain(value: Any) -> Any:
    """`value` as proto3's JSON has it: bytes, which a scenario in Python may hold as such, in base64."""
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
