"""Samples of correlations: lists of events over which one must match, or must not.

An event is a flat mapping of fields as in samples of rules, and may say:

    _logsource   the log it stands in (product, service, event_code), its fields under that log's
                 names; without it, the log of the correlation's first rule, under Sigma's names
    _after       how long after the event before it, `1s` where nothing is said
    _times       how often it stands there, each so long after the one before; `{n}` in a value is
                 then the number of the repetition
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from hauberk.detect.sigma.columns import read
from hauberk.detect.sigma.engine import Engine
from hauberk.detect.sigma.predicate import value_text
from hauberk.detect.sigma.program import RuleSet
from hauberk.detect.sigma.rows import RowFields
from hauberk.detect.sigma.taxonomy import Selector
from hauberk.events import EventBatch, LogKey

from .hits import hits_frame, joined_hits
from .linking import wanted_fields
from .rule import UNITS, Correlation

MAX_EVENTS = 10_000
"""Events of one sample, repetitions included."""

_START = datetime(2026, 1, 1, tzinfo=UTC)
_SPAN = re.compile(r"([0-9]{1,6})([smhd])", re.ASCII)


class _SampleError(ValueError):
    """A sample that is none, and why."""


def check_cases(
    engine: Engine,
    rules: RuleSet,
    one: Correlation,
    content: Mapping[str, object],
    lines: Mapping[str, int],
) -> Iterator[tuple[int, str]]:
    """Lines and reasons of the faults of a correlation's samples."""
    for kind in ("positive", "negative"):
        cases = content.get(kind)
        line = lines.get(kind, 1)
        if not isinstance(cases, list) or not cases:
            yield line, f"needs at least one {kind} sample"
            continue
        for number, case in enumerate(cases, 1):
            try:
                fired = _matches(engine, rules, one, case)
            except _SampleError as fault:
                yield line, f"{kind} sample {number}: {fault}"
                continue
            if fired is not (kind == "positive"):
                what = "matches" if fired else "does not match"
                yield line, f"{kind} sample {number}: the correlation {what}"


def _matches(engine: Engine, rules: RuleSet, one: Correlation, case: object) -> bool:
    # The detector stands above this file: rules are read, and samples checked, without it.
    from .detecting import CorrelationDetector  # noqa: PLC0415

    if not isinstance(case, list) or not case:
        raise _SampleError("is not a list of events")
    wanted = wanted_fields(rules.correlations)
    first = _first_rule(rules, one)
    frames = []
    for number, (time, event) in enumerate(_spread(case)):
        frames += _hits(engine, rules, wanted, first, f"sample:{number}", time, event)
    if not frames:
        return False
    detector = CorrelationDetector(rules)
    found, state = detector.judge(EventBatch("samples", {}, hits=joined_hits(frames)), {})
    said = pl.concat([found, detector.finished(state)])
    return one.uid in said["rule_uid"]


def _first_rule(rules: RuleSet, one: Correlation) -> int:
    """Number of the first rule that a correlation reads, near or far."""
    numbers = {rule.uid: number for number, rule in enumerate(rules.rules)}
    known = {other.uid: other for other in rules.correlations}
    uid = one.rules[0]
    while uid in known:
        uid = known[uid].rules[0]
    return numbers.get(uid, 0)


def _spread(case: Sequence[object]) -> list[tuple[datetime, Mapping[str, object]]]:
    """Every event with its time, repetitions written out."""
    made: list[tuple[datetime, Mapping[str, object]]] = []
    time = _START
    for event in case:
        if not isinstance(event, dict) or not all(isinstance(name, str) for name in event):
            raise _SampleError("holds an event that is not a mapping of field names to values")
        times = event.get("_times", 1)
        if not isinstance(times, int) or times < 1 or len(made) + times > MAX_EVENTS:
            raise _SampleError(f"_times is no number from 1 to {MAX_EVENTS}")
        span = _SPAN.fullmatch(str(event.get("_after", "1s")))
        if span is None:
            raise _SampleError("_after is not a number and a unit, as 5m")
        step = timedelta(seconds=int(span.group(1)) * UNITS[span.group(2)])
        for number in range(times):
            time += step
            made.append((time, {name: _numbered(value, number) for name, value in event.items()}))
    return made


def _numbered(value: object, number: int) -> object:
    return value.replace("{n}", str(number)) if isinstance(value, str) else value


def _hits(
    engine: Engine,
    rules: RuleSet,
    wanted: Mapping[str, Sequence[str]],
    first: int,
    uid: str,
    time: datetime,
    event: Mapping[str, object],
) -> list[pl.DataFrame]:
    given = event.get("_logsource")
    fields = RowFields([{name: value for name, value in event.items() if name[:1] != "_"}])
    key = _key(engine, first, given, fields.row(0))
    fired = [
        rule for _, hits in engine.plan(key, native=given is None).match(fields) for rule in hits
    ]
    made = []
    for number in fired:
        rule = rules.rules[number]
        if rule.uid not in wanted:
            continue
        selector = Selector() if given is None else engine.selector(number, key) or Selector()
        columns = {name: read(fields, selector.source(name)) for name in wanted[rule.uid]}
        texts = {name: [value_text(held[0])] for name, held in columns.items() if held is not None}
        made.append(
            hits_frame([rule.uid], pl.Series([time]), pl.Series([uid]), [["host:sample"]], texts)
        )
    return made


def _key(engine: Engine, first: int, given: object, event: Mapping[str, object]) -> LogKey:
    if given is not None and not isinstance(given, dict):
        raise _SampleError("_logsource is not a mapping")
    selectors = engine.selectors(first)
    if not selectors:
        raise _SampleError("the log of its first rule is not known")
    stated = {str(name): str(value) for name, value in (given or {}).items()}
    product = stated.get("product", selectors[0].product)
    code_field = engine.taxonomy.code_fields.get(product, "")
    code = stated.get("event_code") or event.get(code_field) or next(iter(selectors[0].codes), "")
    return LogKey(product, stated.get("service", selectors[0].service), str(code))
