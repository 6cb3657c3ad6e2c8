"""What `import loadgate` gives, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import loadgate


def loaded_after(statement: str) -> set[str]:
    """Modules a fresh interpreter has after `statement`."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import loadgate",
        "from loadgate._version import __version__",
        "from loadgate import User, scenario, setup, teardown, csv_data, Trend",
    ],
)
def test_writing_a_script_does_not_load_the_engine(statement: str) -> None:
    assert loaded_after(statement).isdisjoint({"numpy", "uvloop", "pydantic", "click", "ruamel.yaml", "asyncio"})


@pytest.mark.parametrize("name", loadgate.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(loadgate, name) is not None
    assert name in dir(loadgate)


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="no attribute `scenarios`"):
        _ = loadgate.scenarios  # type: ignore[attr-defined]
