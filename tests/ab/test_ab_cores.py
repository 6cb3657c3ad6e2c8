"""Where the generator and the arms run: apart, while a test lasts, and as before after it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from loadgate.ab.cores import Cores, apart, generator_on, usable
from loadgate.ab.order import Arm
from loadgate.ab.pair import Pace, measure_pair
from loadgate.ab.plan import AbFlags, AbPlan, make_ab_plan
from loadgate.clock import SystemClock
from loadgate.interruption import Signals
from loadgate.program import Program

SERVICE = Path(__file__).parent.parent / "support" / "service.py"
COMMAND = f"{sys.executable} -S -E {SERVICE} {{port}}"
PINS = pytest.mark.skipif(len(usable()) < 2, reason="needs two cores that a process can be kept on")


def plan(base: str = COMMAND, head: str = COMMAND, *, share_cores: bool = False) -> AbPlan:
    return make_ab_plan(AbFlags(request="/x", base=base, head=head, share_cores=share_cores), {})


def test_the_generator_has_the_first_core_and_the_arms_share_the_others() -> None:
    assert apart({5, 2, 9}) == Cores(2, (5, 9))
    assert apart({1, 0}) == Cores(0, (1,))


@pytest.mark.parametrize("cores", [set[int](), {3}])
def test_one_core_cannot_be_dealt_out(cores: set[int]) -> None:
    assert apart(cores) is None


@PINS
def test_only_commands_are_kept_apart_and_only_where_nobody_wants_them_together() -> None:
    assert plan().cores == apart(usable())
    assert plan(share_cores=True).cores is None
    assert plan("http://127.0.0.1:1", "http://127.0.0.1:2").cores is None


@PINS
def test_a_project_may_want_them_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loadgate.yml").write_text("gate: {ab: {rate: 5/s}}\n")
    assert plan().cores is not None
    (tmp_path / "loadgate.yml").write_text("gate: {ab: {share_cores: true}}\n")
    assert plan().cores is None


@PINS
def test_the_generator_is_back_where_it_was_after_an_error_too() -> None:
    before = set(usable())
    with pytest.raises(ValueError, match="out of cheese"), generator_on(apart(before)):
        assert set(usable()) == {min(before)}
        raise ValueError("out of cheese")
    assert set(usable()) == before
    with generator_on(None):
        assert set(usable()) == before


@PINS
@pytest.mark.slow
@pytest.mark.parametrize("share_cores", [False, True])
def test_both_programs_run_on_the_cores_of_the_arms(share_cores: bool) -> None:
    seen: dict[Arm, set[int]] = {}

    async def look(programs: Mapping[Arm, Program]) -> None:
        seen.update({arm: os.sched_getaffinity(program.pid or 0) for arm, program in programs.items()})

    async def one() -> None:
        clock = SystemClock()
        try:
            with Signals() as signals, generator_on(apart(usable())):
                await measure_pair(
                    work,
                    1,
                    Pace(rate=100.0, length=0.3, warmup=0.0),
                    seed=1,
                    clock=clock,
                    env={},
                    agent="test",
                    signals=signals,
                    beside=look,
                )
        finally:
            clock.close()

    everywhere, work = set(usable()), plan(share_cores=share_cores)
    asyncio.run(one())
    cores = {min(everywhere)} if share_cores else everywhere - {min(everywhere)}
    assert seen == dict.fromkeys(Arm, cores), "without cores of its own a program runs where we do"
