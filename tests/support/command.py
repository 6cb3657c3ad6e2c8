"""The real command line, as a subprocess."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 30.0
LOADGATE = (sys.executable, "-m", "loadgate")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """The last line of the output."""
        lines = self.out.rstrip().splitlines()
        return lines[-1] if lines else ""


_CHANGING = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "PYTHONDONTWRITEBYTECODE")
_BYTECODE = Path(__file__).parent.parent.parent / ".pytest_cache" / "bytecode"


def environment(**more: str) -> dict[str, str]:
    """The environment without what would change the output.

    Hundreds of processes are started by tests; where they may not keep their bytecode, each compiles all anew for 0.2 s.
    """
    kept = {name: value for name, value in os.environ.items() if name not in _CHANGING}
    return {**kept, "PYTHONWARNINGS": "error", "PYTHONPYCACHEPREFIX": str(_BYTECODE), **more}


def loadgate(
    *arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = PATIENCE
) -> Done:
    """Run `loadgate` with `arguments` in the folder `cwd` to its end."""
    done = subprocess.run(
        [*LOADGATE, *map(str, arguments)],
        cwd=cwd,
        env=environment(**(env or {})),
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def start(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start `loadgate` with `arguments`. Whoever starts it ends it: use it as a context manager, and kill on failure."""
    return subprocess.Popen(
        [*LOADGATE, *map(str, arguments)],
        cwd=cwd,
        env=environment(**(env or {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_json(path: Path) -> Any:
    return json.loads(path.read_text())


def until(fact: Callable[[], bool], patience: float = 20.0) -> None:
    """Wait for `fact`."""
    end = time.monotonic() + patience
    while not fact():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)
