"""Samples beside rules: events on which a rule must fire and events on which it must not.

`NAME.samples.yml` stands beside `NAME.yml` and holds `positive` and `negative`, lists of events
as flat mappings of Sigma's field names to values. `_logsource: {product, service, event_code}` in
an event names another log than the rule's first; its fields then have that log's own names.

A sample of a correlation is a list of such events, in order; `correlation/sampling.py` says more.
A file with a correlation has samples of that alone, not of the rules that stand in it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hauberk.events import LogKey

from .correlation import Correlation
from .correlation.sampling import check_cases
from .engine import Engine
from .program import Rule, RuleSet
from .reading import SAMPLES, UnreadableDocumentError, documents, read_bounded
from .rows import RowFields
from .taxonomy import Taxonomy


@dataclass(frozen=True, slots=True)
class SampleFault:
    """What is wrong with a rule's samples, and where."""

    path: str
    line: int
    rule_id: str
    reason: str
    missing: bool = False  # there are no samples at all


def samples_path(rule: Rule | Correlation) -> Path:
    """Where a rule's or a correlation's samples are kept."""
    return Path(rule.path).with_name(Path(rule.path).stem + SAMPLES)


def check_samples(rules: RuleSet, taxonomy: Taxonomy | None = None) -> list[SampleFault]:
    """Faults of the samples of every rule: missing, unreadable, or answered wrongly."""
    engine = Engine(rules, taxonomy)
    files = Counter(rule.path for rule in rules.rules)
    faults: list[SampleFault] = []
    correlated = {one.path for one in rules.correlations}
    for number, rule in enumerate(rules.rules):
        if rule.path in correlated:
            continue
        if files[rule.path] > 1:
            faults.append(_fault(rule, 1, "a file with samples holds one rule", rule.path))
            continue
        faults.extend(_check(engine, number, rule))
    told = [one for one in rules.correlations if not one.silent]
    several = Counter(one.path for one in told)
    for one in told:
        if several[one.path] > 1:
            faults.append(_fault(one, 1, "a file with samples holds one correlation", one.path))
            continue
        content, lines, fault = _content(one)
        if fault is not None:
            faults.append(fault)
        else:
            found = check_cases(engine, rules, one, content, lines)
            faults.extend(_fault(one, line, reason) for line, reason in found)
    return faults


def _fault(
    rule: Rule | Correlation, line: int, reason: str, path: str | None = None
) -> SampleFault:
    return SampleFault(path or str(samples_path(rule)), line, rule.uid, reason)


def _check(engine: Engine, number: int, rule: Rule) -> Iterator[SampleFault]:
    if not engine.selectors(number):
        reason = f"the log source {rule.source} is not in the taxonomy: the rule can never fire"
        yield _fault(rule, rule.line, reason, rule.path)
        return
    content, lines, fault = _content(rule)
    if fault is not None:
        yield fault
        return
    for kind in ("positive", "negative"):
        line = lines.get(kind, 1)
        events = content.get(kind)
        if not isinstance(events, list) or not events:
            yield _fault(rule, line, f"needs at least one {kind} sample")
            continue
        for index, event in enumerate(events, 1):
            wrong = _judged(engine, number, event, expected=kind == "positive")
            if wrong:
                yield _fault(rule, line, f"{kind} sample {index}: {wrong}")


def _content(
    rule: Rule | Correlation,
) -> tuple[Mapping[str, object], Mapping[str, int], SampleFault | None]:
    """The samples beside a rule, the lines of their keys, and why they cannot be used."""
    path = samples_path(rule)
    try:
        document = next(documents(read_bounded(path)), None)
    except UnreadableDocumentError as fault:
        missing = not path.exists()
        reason = "has no samples beside it" if missing else str(fault)
        return {}, {}, replace(_fault(rule, fault.line, reason), missing=missing)
    except OSError as fault:
        return {}, {}, _fault(rule, 1, fault.strerror or str(fault))
    content = document.content if document else None
    if not isinstance(content, dict) or not set(content) <= {"positive", "negative"}:
        return {}, {}, _fault(rule, 1, "expected the keys positive and negative alone")
    return content, document.lines if document else {}, None


def _judged(engine: Engine, number: int, event: object, *, expected: bool) -> str | None:
    if not isinstance(event, dict) or not all(isinstance(name, str) for name in event):
        return "is not a mapping of field names to values"
    fields = {name: value for name, value in event.items() if name != "_logsource"}
    nested = [name for name, value in fields.items() if not _is_flat(value)]
    if nested:
        return f"the field {nested[0]} is neither a value nor a list of values"
    given = event.get("_logsource")
    if given is not None and not isinstance(given, dict):
        return "_logsource is not a mapping"
    plan = engine.plan(_key(engine, number, fields, given), native=given is None)
    fired = any(number in hits for _, hits in plan.match(RowFields([fields])))
    if fired is expected:
        return None
    return "the rule does not fire" if expected else "the rule fires"


def _is_flat(value: object) -> bool:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return all(isinstance(element, str | int | float | bool | None) for element in value)
    return isinstance(value, str | int | float | bool | None)


def _key(
    engine: Engine,
    number: int,
    fields: Mapping[str, object],
    given: Mapping[str, object] | None,
) -> LogKey:
    first = engine.selectors(number)[0]
    stated = {name: str(value) for name, value in (given or {}).items()}
    product = stated.get("product", first.product)
    code_field = engine.taxonomy.code_fields.get(product, "")
    code = stated.get("event_code") or fields.get(code_field) or next(iter(first.codes), "")
    return LogKey(product, stated.get("service", first.service), str(code))
