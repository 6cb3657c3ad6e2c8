"""`loadgate compare`: two recorded runs, baselines or result files of one tool."""

from __future__ import annotations

from pathlib import Path

import click

from loadgate.cli.places import config_option, existing_store, format_option, gate_spec, store_option


@click.command()
@click.argument("base")
@click.argument("head")
@click.option("--all", "every", is_flag=True, help="Show every figure, those that stayed the same too.")
@click.option(
    "--strict", is_flag=True, help="Leave with 4 where the answer is not sure, or there is nothing to compare."
)
@click.option("--anyway", is_flag=True, help="Compare though machine or definition differ.")
@format_option
@store_option
@config_option
def compare(
    base: str, head: str, every: bool, strict: bool, anyway: bool, form: str, place: str | None, config: Path | None
) -> int:
    """Say what became better or worse from BASE to HEAD, and how sure that is.

    Each is the name of a baseline, a file or folder (of Loadgate or another tool: what it is, is found out), a run's id
    or the beginning of one, `latest` or `latest~1`.
    """
    from loadgate.cli.listing import print_comparison
    from loadgate.gate import Gate
    from loadgate.judge.gating import decide_gate
    from loadgate.record.verdict import Verdict, Word
    from loadgate.reference import look_up
    from loadgate.store.selection import Selection

    spec = gate_spec(config)
    store = existing_store(place, spec)
    try:
        before = look_up(base, store)
        like = Selection(name=before.result.name, tool=before.result.tool)
        after = look_up(head, store, like)
        compared = Gate(spec, store).compare([before.result], [after.result], (before.name, after.name))
    finally:
        if store is not None:
            store.close()
    if anyway:
        compared = compared.regardless()
    verdict = decide_gate(Verdict(Word.PASS), compared, strict=strict)
    print_comparison(compared, verdict, form=form, every=every)
    return verdict.exit_code
