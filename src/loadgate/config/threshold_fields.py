"""Thresholds as they stand in a profile: `metric: [expression, {threshold: expression, abortOnFail: true}]`."""

from __future__ import annotations

from loadgate.config import fields
from loadgate.config.fields import Fields, Place, Refusal
from loadgate.config.source import Entry, Node, Scalar, Table
from loadgate.config.threshold_grammar import ThresholdError, parse_key, parse_threshold
from loadgate.config.thresholds import Threshold


def read_thresholds(node: Node, place: Place) -> tuple[Threshold, ...]:
    """Every threshold of the mapping `node`, in the order written; what cannot be read is reported."""
    if not isinstance(node, Table):
        raise place.refuse(node, "a mapping of metrics to lists of thresholds")
    found: list[Threshold] = []
    for entry in node.entries.values():
        try:
            parse_key(entry.key)
        except ThresholdError as error:
            place.report(error.problem(entry.key_span))
            continue
        try:
            lists = fields.one_or_more(_threshold_on(entry))(entry.value, Place(f"`{entry.key}`", place.context))
        except Refusal as refusal:
            place.report(refusal.problem)
        else:
            found += [threshold for threshold in lists if threshold is not None]
    return tuple(found)


def _threshold_on(entry: Entry) -> fields.Reader[Threshold | None]:
    def read(node: Node, place: Place) -> Threshold | None:
        if isinstance(node, Scalar):
            return expression(node, place)
        own = Fields(node, place, f"in a threshold on `{entry.key}`")
        settled = (
            own.take("abortOnFail", fields.flag, False),
            own.take("delayAbortEval", fields.k6_duration, 0.0),
            own.take("warmup", fields.duration, None),
            own.take("over", fields.positive(fields.duration), None),
        )
        threshold = own.need("threshold", lambda inner, at: expression(inner, at, *settled), None)
        own.done()
        return threshold

    def expression(
        node: Node,
        place: Place,
        abort_on_fail: bool = False,
        delay_abort: float = 0.0,
        warmup: float | None = None,
        over: float | None = None,
    ) -> Threshold:
        try:
            return parse_threshold(
                entry.key,
                fields.text(node, place),
                abort_on_fail=abort_on_fail,
                delay_abort=delay_abort,
                warmup=warmup,
                over=over,
                span=node.span,
                key_span=entry.key_span,
            )
        except ThresholdError as error:
            raise Refusal(error.problem(node.span)) from None

    return read
