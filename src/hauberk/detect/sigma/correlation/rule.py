"""A Sigma correlation as it is judged: what it refers to, what it counts, when it matches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from hauberk.detect.sigma.expression import NOT, Node, as_node


class Kind(StrEnum):
    """What a correlation measures in a window of time, by Sigma's names."""

    EVENT_COUNT = "event_count"
    VALUE_COUNT = "value_count"
    TEMPORAL = "temporal"
    TEMPORAL_ORDERED = "temporal_ordered"
    VALUE_SUM = "value_sum"
    VALUE_AVG = "value_avg"
    VALUE_PERCENTILE = "value_percentile"
    VALUE_MEDIAN = "value_median"

    @property
    def is_temporal(self) -> bool:
        """Whether it asks which rules matched rather than how many events or which values."""
        return self in (Kind.TEMPORAL, Kind.TEMPORAL_ORDERED)

    @property
    def reads_field(self) -> bool:
        """Whether its condition names a field."""
        return self.value.startswith("value_")


LOWER = ("gt", "gte")
UPPER = ("lt", "lte", "eq", "neq")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 2_629_746, "y": 31_556_952}
"""Seconds of each unit of a timespan; a month and a year are means of the Gregorian calendar."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """One correlation rule, its references resolved.

    `rules` are uids of rules or correlations, `names` how the author refers to them. `tests` are
    (operator, number), all of which must hold; `expression` stands in their place for an extended
    condition and is over positions in `rules`. `aliases`: name in `group_by` or `fields`, then uid
    of a rule, then that rule's field.
    """

    uid: str
    title: str
    kind: Kind
    rules: tuple[str, ...]
    names: tuple[str, ...]
    group_by: tuple[str, ...]
    timespan: int  # seconds
    tests: tuple[tuple[str, float], ...]
    expression: "Node | None" = None
    fields: tuple[str, ...] = ()
    percentile: float = 50.0
    aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    generate: bool = False  # whether what it refers to is told by itself too
    silent: bool = False  # whether only other correlations read it
    level: str = "medium"
    status: str = ""
    techniques: tuple[str, ...] = ()
    name: str = ""
    path: str = ""
    line: int = 1
    description: str = ""

    @property
    def judges_whole_windows(self) -> bool:
        """Whether more events can undo a match, so that a window is judged when it is over."""
        if self.expression is not None:
            return _negates(self.expression)
        return any(operator in UPPER for operator, _ in self.tests)


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter as it was applied: the uids of the rules that it narrows."""

    uid: str
    title: str
    name: str
    rules: tuple[str, ...]
    path: str
    line: int
    description: str = ""


def _negates(node: Node) -> bool:
    if not isinstance(node, tuple):
        return False
    return node[0] == NOT or any(_negates(as_node(child)) for child in node[1:])


def encode_correlation(one: Correlation) -> list[object]:
    """A correlation as JSON values."""
    return [
        one.uid, one.title, str(one.kind), one.rules, one.names, one.group_by, one.timespan,
        one.tests, one.expression, one.fields, one.percentile,
        {name: dict(fields) for name, fields in one.aliases.items()},
        one.generate, one.silent, one.level, one.status, one.techniques, one.name, one.path,
        one.line, one.description,
    ]  # fmt: skip


def decode_correlation(stored: Sequence[object]) -> Correlation:
    """A correlation from `encode_correlation`. Raises ValueError, TypeError, KeyError."""
    (
        uid, title, kind, rules, names, group_by, timespan, tests, expression, fields, percentile,
        aliases, generate, silent, level, status, techniques, name, path, line, description,
    ) = stored  # fmt: skip
    texts = (uid, title, level, status, name, path, description)
    if not all(isinstance(text, str) for text in texts) or not isinstance(aliases, dict):
        raise TypeError("not a correlation")
    if not isinstance(timespan, int) or not isinstance(line, int):
        raise TypeError("not a correlation")
    return Correlation(
        str(uid), str(title), Kind(str(kind)), _texts(rules), _texts(names), _texts(group_by),
        timespan,
        tuple((str(pair[0]), float(str(pair[1]))) for pair in map(_list, _list(tests))),
        None if expression is None else _node(expression, len(_list(rules))),
        _texts(fields), float(str(percentile)),
        {str(one): {str(k): str(v) for k, v in given.items()} for one, given in aliases.items()},
        bool(generate), bool(silent), str(level), str(status), _texts(techniques), str(name),
        str(path), line, str(description),
    )  # fmt: skip


def _list(value: object) -> list[object]:
    if not isinstance(value, list | tuple):
        raise TypeError("a list was expected")
    return list(value)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(one) for one in _list(value))


def _node(stored: object, rules: int) -> Node:
    if isinstance(stored, bool):
        return stored
    if isinstance(stored, int):
        if not 0 <= stored < rules:
            raise ValueError(f"rule {stored} of {rules}")
        return stored
    operator, *children = _list(stored)
    if operator not in ("&", "|", "!") or not children:
        raise ValueError("not an expression")
    return (str(operator), *(_node(child, rules) for child in children))
