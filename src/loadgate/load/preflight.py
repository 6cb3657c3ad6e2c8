"""Before load: does anything answer at the target's address?"""

from __future__ import annotations

import asyncio
from time import perf_counter

from loadgate.clients.base import ExchangeError
from loadgate.clients.http import HttpStack
from loadgate.clients.transport import ConnectMarks, Connector, Origin
from loadgate.config.target import TargetSpec
from loadgate.errors import InvalidRun

PATIENCE = 5.0
"""Seconds a target may take to come up: a CI job often starts it in the line before."""


async def reach_target(target: TargetSpec, http: HttpStack) -> None:
    """`reach` every place of `target`, of which `http` is the stack."""
    if target.url is not None:
        await reach(http.connector, http.builder.locate("/")[0])
    if target.grpc is not None:
        from loadgate.clients.grpc.stack import grpc_origin  # only who calls pays for it

        await reach(http.connector, grpc_origin(target.grpc.url), who="no gRPC server")


async def reach(connector: Connector, origin: Origin, patience: float = PATIENCE, *, who: str = "nothing") -> int:
    """Connect once to `origin`, trying again for `patience` seconds; the number of tries it took.

    Raises InvalidRun with host, port, cause and tries if nothing answers (`who` says it in words). TLS is left to the load
    itself, where a bad certificate is counted like any other error.
    """
    plain = Origin("http", origin.host, origin.port, origin.path)
    began = perf_counter()
    tries, pause = 0, 0.05
    while True:
        tries += 1
        try:
            opened = connector.open(plain, asyncio.Protocol, ConnectMarks(), limit=patience)
            (await opened).abort()
            return tries
        except ExchangeError as error:
            cause = str(error)
        if perf_counter() - began + pause > patience:
            raise InvalidRun(
                f"{who} answered at {origin} within {patience:g} s: {cause} ({tries} tries)",
                "start the target first, or check the host and port",
            )
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, 0.5)
