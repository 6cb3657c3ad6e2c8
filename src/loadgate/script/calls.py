"""The gRPC calls a script or a project declares, so that they can be held against the methods there are (`methods`).

A YAML step declares its own; of a Python file those are known whose method is written in the call, or in a name that the
module sets to a text: `user.grpc.unary("package.Service/Method", ...)`. Methods that a script puts together while it runs
are unknown here.
"""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from loadgate.config.steps import ExchangeStep, GrpcStep
from loadgate.errors import Span

_CALLS: Final = ("unary", "stream")


@dataclass(frozen=True, slots=True)
class DeclaredCall:
    """A call that will be made. `span` is where its method is written; `step` None: in Python, by the function `kind`.

    `least` is how many bytes each message of `step` comes to at the least.
    """

    method: str
    span: Span
    step: GrpcStep | None = None
    kind: str = ""
    least: int = 0


def calls_of(steps: Iterable[ExchangeStep]) -> list[DeclaredCall]:
    """The calls of the gRPC steps among `steps`."""
    return [DeclaredCall(step.method, step.method_span, step) for step in steps if isinstance(step, GrpcStep)]


def calls_in(path: Path, name: str) -> list[DeclaredCall]:
    """The calls in the Python file at `path`, which has been run already and so is Python. `name` is what users call it."""
    with tokenize.open(path) as file:
        text = file.read()
    if "grpc" not in text:
        return []
    lines = tuple(text.splitlines())
    tree = ast.parse(text)
    texts = {
        target.id: each.value
        for each in tree.body
        if isinstance(each, ast.Assign) and _is_text(each.value)
        for target in each.targets
        if isinstance(target, ast.Name)
    }
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _CALLS):
            continue
        owner = node.func.value
        if (owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")) != "grpc" or not node.args:
            continue
        method: ast.expr | None = node.args[0]
        if isinstance(method, ast.Name):
            method = texts.get(method.id)
        if isinstance(method, ast.Constant) and isinstance(method.value, str):
            found.append(DeclaredCall(method.value, _span(method, name, lines), kind=node.func.attr))
    return found


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _span(node: ast.expr, file: str, lines: Sequence[str]) -> Span:
    """Where the text of `node` stands, without its quotes where it is on one line."""
    line = lines[node.lineno - 1].encode()
    column = len(line[: node.col_offset].decode("utf-8", "replace")) + 1
    if node.end_lineno != node.lineno or node.end_col_offset is None:
        return Span(file, node.lineno, column, 1, lines)
    length = len(line[node.col_offset : node.end_col_offset].decode("utf-8", "replace"))
    return Span(file, node.lineno, column + 1, max(1, length - 2), lines)
