"""`/api/chaos`: reading and changing what is injected, while running.

GET gives the effective configuration, PUT replaces it whole (parts left out are off), PATCH and POST change the parts
they name, DELETE goes back to how the target was started. A configuration with an error changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from loadgate.target.chaos import Chaos, Injector, injector, is_below
from loadgate.target.http.reply import Reply, error_reply, object_reply
from loadgate.target.http.routes import Call, Routes
from loadgate.target.settings import ChaosError, from_plain, merged, parse_json, refuse_grpc_codes, to_plain


class Control:
    """Holds the configuration. `injector` is what the connections draw from, None when nothing is injected.

    `protocols` are those that are served.
    """

    def __init__(self, chaos: Chaos, now: Callable[[], float], protocols: frozenset[str]) -> None:
        self._now = now
        self._protocols = protocols
        self._paths: list[str] = []
        self._original = chaos
        self.chaos = chaos
        self.injector: Injector | None = None
        self.apply(chaos)

    def apply(self, chaos: Chaos) -> None:
        """Take `chaos` into effect from now on, with a fresh sequence of draws."""
        self.chaos = chaos
        self.injector = injector(chaos, self._now())

    def add_paths(self, paths: Iterable[str]) -> None:
        """Know of gRPC's methods, which no route of HTTP has."""
        self._paths += paths

    def add_to(self, routes: Routes) -> None:
        def put(call: Call) -> Reply:
            return self._changed(call, routes, lambda value: from_plain(value, self._original.seed))

        def patch(call: Call) -> Reply:
            return self._changed(call, routes, lambda value: merged(self.chaos, value))

        routes.add("/api/chaos/config", GET=self._show, PUT=put, PATCH=patch, POST=patch, DELETE=self._reset)
        routes.add("/api/chaos/reset", POST=self._reset)
        routes.add("/api/chaos/enable", POST=lambda call: self._switch(True))
        routes.add("/api/chaos/disable", POST=lambda call: self._switch(False))

    def check(self, chaos: Chaos, routes: Routes) -> None:
        """Raises ChaosError for an override that no request can ever match."""
        for path, part in chaos.routes.items():
            if routes.covers(path):
                refuse_grpc_codes(part.faults, f"routes.{path}.faults")
            elif not any(is_below(known, path) for known in self._paths):
                raise ChaosError(f"routes.{path}: no route begins so", "for example /users or /users/7")
        for protocol in chaos.protocols:
            if protocol not in self._protocols:
                raise ChaosError(
                    f"protocols.{protocol}: {protocol} is not served",
                    f"served are: {', '.join(sorted(self._protocols))}",
                )

    def _show(self, call: Call | None = None) -> Reply:
        return object_reply(200, to_plain(self.chaos))

    def _reset(self, call: Call) -> Reply:
        self.apply(self._original)
        return self._show()

    def _switch(self, on: bool) -> Reply:
        self.apply(msgspec.structs.replace(self.chaos, enabled=on))
        return self._show()

    def _changed(self, call: Call, routes: Routes, read: Callable[[Any], Chaos]) -> Reply:
        try:
            chaos = read(parse_json(call.request.body))
            self.check(chaos, routes)
        except ChaosError as error:
            return error_reply(400, error.message + (f" ({error.hint})" if error.hint else ""))
        self.apply(chaos)
        return self._show()
