"""The last of an output: bounded, readable, harmless."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadgate.probe.tail import KEPT, LINES, WIDTH, Tail


def lines(*parts: bytes) -> tuple[str, ...]:
    tail = Tail()
    for part in parts:
        tail.add(part)
    return tail.lines()


def test_lines_come_together_from_their_parts() -> None:
    assert lines(b"one\ntw", b"o\n\n", b"three") == ("one", "two", "three")


def test_only_the_last_lines_are_kept() -> None:
    assert lines(b"".join(b"%d\n" % number for number in range(100))) == tuple(map(str, range(100 - LINES, 100)))


def test_what_would_drive_a_terminal_is_taken_out() -> None:
    said = b"\x1b[1;31merror\x1b[0m: \x1b]0;title\x07port \x00 in\tuse\x9b\xff\r\n10 %\r20 %\r\n"
    assert lines(said) == ("error: port \ufffd in    use\ufffd\ufffd", "20 %")


def test_a_line_without_end_is_cut() -> None:
    (line,) = lines(b"x" * (3 * KEPT))
    assert len(line) == WIDTH and line.endswith("...")


def test_memory_is_bounded_however_it_comes() -> None:
    tail = Tail()
    for _ in range(200):
        tail.add(b"y" * 65_536)
        assert len(tail._bytes) <= 2 * KEPT


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_become_lines_that_can_be_shown(parts: list[bytes]) -> None:
    shown = lines(*parts)
    assert len(shown) <= LINES
    for line in shown:
        assert all(character.isprintable() or character == "\ufffd" for character in line)
        assert line and len(line) <= WIDTH
