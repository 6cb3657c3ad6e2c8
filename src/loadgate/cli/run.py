"""`loadgate run`: load the target, judge, show, record."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial
from typing import Any

import click

from loadgate.cli.measuring import ResultFlags, measure, ready_option, result_options, seed_option
from loadgate.cli.places import config_option
from loadgate.cli.sections import SectionedCommand, SectionedOption

_option = partial(click.option, cls=SectionedOption)
_target = partial(_option, section="Target")
_load = partial(_option, section="Load (instead of what a profile says)")
_result = partial(_option, section="Results")


@click.command(cls=SectionedCommand)
@click.argument("what", metavar="[PROFILE | SCRIPT.py]", required=False)
@config_option
@seed_option
@_target(
    "--url",
    help="Where the target is. Without a profile or script: request this very URL, or call grpc://HOST:PORT/SERVICE/METHOD.",
)
@_target("--method", "-X", help="Method, with --url alone. [default: GET]")
@_target("--header", "-H", "headers", metavar="'NAME: VALUE'", multiple=True, help="For each request. Repeatable.")
@_target("--body", metavar="TEXT", help="Body, with --url alone; of a gRPC call, its message as JSON.")
@_target("--start", metavar="COMMAND", help="Start the target with this, wait until it is ready, watch and stop it.")
@ready_option("Target")
@_target("--watch", metavar="WHAT", help="Watch what is there: pid:N, container:ID, unit:NAME or cgroup:PATH.")
@_load("--vus", metavar="N", type=int, help="Virtual users.")
@_load("--duration", metavar="TIME", help="How long: 30s, 5m, 1h.")
@_load("--rate", metavar="RATE", help="Iterations started per time, however slow the target: 500/s.")
@_load(
    "--stage", "stages", metavar="TIME:N", multiple=True, help="Ramp to VUs (1m:100) or starts (1m:500/s). Repeatable."
)
@_load("--iterations", metavar="N", type=int, help="Iterations in all, shared by the VUs.")
@_load("--max-vus", metavar="N", type=int, help="Most VUs a rate may take.")
@_load("--warmup", metavar="TIME", help="Leave out what is measured this long at first.")
@_result(
    "--threshold",
    "thresholds",
    metavar="LIMIT",
    multiple=True,
    help="One more limit: 'http_req_duration: p(95)<500ms'. Repeatable.",
)
@result_options
def run(results: ResultFlags, **given: Any) -> int:
    """Load a service, judge what was measured, and leave with an exit code a CI job can act on.

    With no configuration at all this starts Loadgate's own target and runs a short standard test on it.
    """
    from loadgate.flags import Flags
    from loadgate.plan import make_plan, working_folder

    home = working_folder()
    plan = make_plan(Flags(**given, budgets=results.budgets), os.environ)
    with ExitStack() as stack:
        embedded = None
        if plan.embedded:
            from loadgate.cli.embedded import EmbeddedTarget

            embedded = stack.enter_context(EmbeddedTarget())  # it starts while what follows is imported
        from loadgate.cli.trial import Trial

        started = iter([embedded])  # a fresh run has a target of its own
        return measure(
            results,
            home,
            plan.files,
            plan.gate,
            lambda output, folder: Trial(plan, output, folder, next(started, None)),
            "run",
        )
