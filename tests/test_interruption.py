"""What Ctrl-C and SIGTERM do once a loop no longer looks after them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from loadgate.interruption import Signals

BOTH = (signal.SIGINT, signal.SIGTERM)


def tidy_up(number: int, frame: FrameType | None) -> None:
    """What somebody does where something is to be tidied up."""


@pytest.fixture(autouse=True)
def before() -> Iterator[None]:
    former = {number: signal.signal(number, tidy_up) for number in BOTH}
    yield
    for number, handler in former.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("restores", "after"), [(True, tidy_up), (False, signal.SIG_DFL)])
def test_they_end_the_process_or_do_what_they_did(restores: bool, after: object) -> None:
    async def run() -> None:
        with Signals(restores=restores):
            assert signal.getsignal(signal.SIGINT) not in (tidy_up, signal.SIG_DFL)

    asyncio.run(run())
    assert [signal.getsignal(number) for number in BOTH] == [after, after]
