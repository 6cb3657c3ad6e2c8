"""`loadgate serve` reads its options without Click as Click does, or leaves them to it."""

from __future__ import annotations

from typing import Any

import click
import pytest

from loadgate.cli.quick import read_serve
from loadgate.cli.serve import serve


def clicked(arguments: list[str]) -> dict[str, Any] | None:
    """What Click makes of them; None where it stops."""
    try:
        return serve.make_context("serve", list(arguments)).params
    except (click.ClickException, click.exceptions.Exit):
        return None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--http-port 0",
        "--http-port=0 --ws-port 65535 --graphql-port=4000 --grpc-port 50051 --all",
        "--all --all --until-eof",
        "--seed 7 --seed=9 --host ::1 --stall 1s/10s",
        "--latency lognormal:20ms,0.5,max=1s --latency=/users=fixed:20ms --fault status=503:0.1 --fault websocket=close:1",
        "--http-port 007",
    ],
)
def test_options_are_read_as_click_reads_them(line: str) -> None:
    read = read_serve(line.split())
    assert read is not None and read == clicked(line.split())


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "-h",
        "--http-port",
        "--http-port x",
        "--http-port 65536",
        "--ws-port -1",
        "--seed=-1",
        "--latency --all",
        "--all=1",
        "--grpc",
        "here",
        "--",
        "--until-eof here",
    ],
)
def test_what_is_not_plain_is_left_to_click(line: str) -> None:
    assert read_serve(line.split()) is None


def test_every_option_of_click_is_known() -> None:
    for option in serve.params:
        assert isinstance(option, click.Option)
        value = {"host": "h", "stall": "1s/2s", "latency": "none", "fault": "reset:1"}.get(str(option.name), "5")
        arguments = [option.opts[0]] if option.is_flag else [option.opts[0], value]
        assert read_serve(arguments) == clicked(arguments), option.opts
