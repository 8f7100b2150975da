"""Correlation documents: the `correlation` section, checked and taken apart.

Source: Sigma correlation rules specification 2.1; extended conditions, `neq`, `value_median`,
weeks, months and years are those of pySigma 2.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from hauberk.detect.sigma.expression import Node

from .condition import CorrelationFaultError, choices, parse_condition
from .rule import LOWER, UNITS, UPPER, Kind

MAX_RULES = 64
"""Rules that one correlation refers to."""

MAX_ORDERED = 12
"""Rules in an order: every pair of places is looked at."""

_TIMESPAN = re.compile(r"([0-9]{1,6})([smhdwMy])", re.ASCII)
_KEYS = frozenset(
    {"type", "rules", "group-by", "timespan", "condition", "aliases", "generate", "field"}
)
MAX_YEARS = 10


@dataclass(frozen=True, slots=True)
class Section:
    """A `correlation` section whose references are still names."""

    kind: Kind
    references: tuple[str, ...]
    group_by: tuple[str, ...]
    timespan: int
    tests: tuple[tuple[str, float], ...]
    expression: "Node | None"
    fields: tuple[str, ...]
    percentile: float
    aliases: Mapping[str, Mapping[str, str]]
    generate: bool


def read_section(content: object) -> Section:
    """The section of a document's `correlation` key. Raises CorrelationFaultError."""
    if not isinstance(content, dict):
        raise CorrelationFaultError("correlation: a mapping was expected")
    unknown = sorted(str(key) for key in content if key not in _KEYS)
    if unknown:
        raise CorrelationFaultError(f"correlation: {unknown[0]} is no key of a correlation")
    kind = _kind(content.get("type"))
    references = _texts(content.get("rules"), "rules")
    expression: Node | None = None
    condition = content.get("condition")
    if isinstance(condition, str):
        if not kind.is_temporal:
            raise CorrelationFaultError("an extended condition needs a temporal correlation")
        expression, references = parse_condition(condition, references)
    if not references:
        raise CorrelationFaultError("correlation: rules names no rule")
    if len(references) > MAX_RULES:
        raise CorrelationFaultError(f"correlation: refers to more than {MAX_RULES} rules")
    if len(set(references)) < len(references) and kind is not Kind.TEMPORAL_ORDERED:
        raise CorrelationFaultError("correlation: names a rule twice")
    if kind is Kind.TEMPORAL_ORDERED and len(references) > MAX_ORDERED:
        raise CorrelationFaultError(f"correlation: more than {MAX_ORDERED} rules in an order")
    if expression is not None and kind is Kind.TEMPORAL_ORDERED:
        choices(expression)
    given = condition if isinstance(condition, dict) else {}
    tests = () if expression is not None else _tests(kind, condition, len(references))
    generate = content.get("generate", False)
    if not isinstance(generate, bool):
        raise CorrelationFaultError("correlation: generate is neither true nor false")
    return Section(
        kind=kind,
        references=references,
        group_by=_texts(content.get("group-by"), "group-by"),
        timespan=_timespan(content.get("timespan")),
        tests=tests,
        expression=expression,
        fields=_fields(kind, given.get("field", content.get("field"))),
        percentile=_percentile(kind, given.get("percentile")),
        aliases=_aliases(content.get("aliases")),
        generate=generate,
    )


def _kind(value: object) -> Kind:
    if value is None:
        raise CorrelationFaultError("correlation: type is missing")
    text = str(value).lower()
    for extended, plain in (
        ("temporal_extended", Kind.TEMPORAL),
        ("temporal_ordered_extended", Kind.TEMPORAL_ORDERED),
    ):
        if text == extended:
            return plain
    try:
        return Kind(text)
    except ValueError:
        known = ", ".join(Kind)
        raise CorrelationFaultError(
            f"correlation: the type {text[:60]!r} is unknown; known are {known}"
        ) from None


def _texts(value: object, key: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(one, str | int) for one in value):
        return tuple(str(one) for one in value)
    raise CorrelationFaultError(f"correlation: {key} is neither a text nor a list of texts")


def _timespan(value: object) -> int:
    found = _TIMESPAN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise CorrelationFaultError(
            "correlation: timespan is missing"
            if value is None
            else f"correlation: the timespan {str(value)[:40]!r} is not a number and a unit, as 90m"
        )
    seconds = int(found.group(1)) * UNITS[found.group(2)]
    if not 0 < seconds <= MAX_YEARS * UNITS["y"]:
        raise CorrelationFaultError(f"correlation: the timespan {value} is none of 1s to 10y")
    return seconds


def _tests(kind: Kind, condition: object, rules: int) -> tuple[tuple[str, float], ...]:
    if condition is None and kind.is_temporal:
        return (("gte", float(rules)),)
    if not isinstance(condition, dict):
        what = "is missing" if condition is None else "is neither a mapping nor a text"
        raise CorrelationFaultError(f"correlation: condition {what}")
    unknown = sorted(str(key) for key in condition if key not in _CONDITION)
    if unknown:
        raise CorrelationFaultError(f"correlation: {unknown[0]} is no part of a condition")
    tests = [(how, _number(condition[how])) for how in (*LOWER, *UPPER) if how in condition]
    if not tests:
        raise CorrelationFaultError("correlation: the condition compares with no number")
    if kind.is_temporal:
        tests = [_of_rules(operator, number, rules) for operator, number in tests]
    return tuple(tests)


_CONDITION = frozenset({*LOWER, *UPPER, "field", "percentile"})


def _of_rules(operator: str, number: float, rules: int) -> tuple[str, float]:
    """A test of how many rules matched; all of them is the same as at least all of them."""
    least = number + 1 if operator == "gt" else number
    if operator in ("gt", "gte", "eq") and least > rules:
        raise CorrelationFaultError(
            f"correlation: asks for {number:g} rules of {rules}: it can never match"
        )
    return ("gte", number) if operator == "eq" and number == rules else (operator, number)


def _number(value: object) -> float:
    if not isinstance(value, bool):
        try:
            number = float(str(value))
        except ValueError:
            number = math.nan
        if math.isfinite(number):
            return number
    raise CorrelationFaultError(f"correlation: {str(value)[:40]!r} is no number to compare with")


def _fields(kind: Kind, value: object) -> tuple[str, ...]:
    fields = _texts(value, "field")
    if kind.reads_field and not fields:
        raise CorrelationFaultError(f"correlation: a {kind} needs a field in its condition")
    if len(fields) > 1 and kind is not Kind.VALUE_COUNT:
        raise CorrelationFaultError(f"correlation: a {kind} reads one field")
    return fields if kind.reads_field else ()


def _percentile(kind: Kind, value: object) -> float:
    if kind is not Kind.VALUE_PERCENTILE:
        return 50.0
    if value is None:
        raise CorrelationFaultError("correlation: value_percentile needs a percentile")
    number = _number(value)
    if not 0 <= number <= 100:
        raise CorrelationFaultError("correlation: a percentile lies between 0 and 100")
    return number


def _aliases(value: object) -> dict[str, dict[str, str]]:
    if value is None:
        return {}
    if isinstance(value, dict) and all(
        isinstance(fields, dict) and all(isinstance(one, str) for one in fields.values())
        for fields in value.values()
    ):
        return {
            str(alias): {str(rule): str(name) for rule, name in fields.items()}
            for alias, fields in value.items()
        }
    raise CorrelationFaultError("correlation: aliases are not a mapping of rules to field names")
