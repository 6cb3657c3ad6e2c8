"""One target for all tests that change nothing in it; those that do start their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.target import running_target


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    with running_target() as url:
        yield url
