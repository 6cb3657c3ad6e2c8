"""Texts kept in files: what a renderer gave when somebody last looked at it. LOADGATE_UPDATE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
from pathlib import Path


def check_golden(path: Path, text: str) -> None:
    """Compare `text` with the file, or, when asked to by the environment, write the file."""
    if os.environ.get("LOADGATE_UPDATE_GOLDEN") == "1":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    kept = path.read_text("utf-8") if path.is_file() else ""
    assert text == kept, f"{path.name} differs; look at the difference, then set LOADGATE_UPDATE_GOLDEN=1 to accept it"
