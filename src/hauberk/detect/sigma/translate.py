"""pySigma's rules into our program. The only file that knows pySigma; loaded when compiling."""

import re
from collections.abc import Iterable, Mapping
from typing import TypeGuard

import re2
import sigma.conditions as sc
import sigma.types as st
from sigma.exceptions import SigmaConditionError, SigmaError
from sigma.policy import SigmaPolicy
from sigma.policy.regex_engine import RegexEngine, RegexPattern
from sigma.rule import SigmaRule

from .expression import AND, NOT, OR, Node, joined, negated
from .predicate import SINGLE, WILDCARD, Op, Predicate, fold, like_parts, like_text
from .program import Atom, Rule
from .taxonomy import LogSource

_TECHNIQUE = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)", re.IGNORECASE | re.ASCII)
_COMPARES = {
    st.CompareOperators.LT: Op.LESS,
    st.CompareOperators.LTE: Op.LESS_EQUAL,
    st.CompareOperators.GT: Op.GREATER,
    st.CompareOperators.GTE: Op.GREATER_EQUAL,
}
_FLAGS = {
    st.SigmaRegularExpressionFlag.IGNORECASE: "i",
    st.SigmaRegularExpressionFlag.MULTILINE: "m",
    st.SigmaRegularExpressionFlag.DOTALL: "s",
}
MAX_ATOMS = 20_000
"""Atoms of one rule after its modifiers are applied."""

LEVELS = ("informational", "low", "medium", "high", "critical")

# What pySigma raises on content that is well-formed YAML and no rule.
PARSE_FAULTS = (
    SigmaError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError,
    RecursionError, NotImplementedError, re.error,
)  # fmt: skip


class RefusedRuleError(ValueError):
    """A rule that cannot be compiled, and why."""


class Translator:
    """Compiles rules one by one and interns the atoms that they share."""

    def __init__(self, placeholders: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self.atoms: dict[Atom, int] = {}
        self._placeholders = placeholders or {}

    def translate(self, content: object, path: str, line: int) -> Rule:
        """A rule from its document. Raises RefusedRuleError."""
        if not _is_mapping(content):
            raise RefusedRuleError("is not a rule: a mapping was expected")
        taxonomy = content.get("taxonomy", "sigma")
        if taxonomy != "sigma":
            raise RefusedRuleError(
                f"is written in the taxonomy {str(taxonomy)[:60]!r}; only names of sigma are known"
            )
        rule, condition = self._compiled(content)
        return Rule(
            uid=str(rule.id) if rule.id else f"{path}:{line}",
            title=str(rule.title or path),
            level=rule.level.name.lower() if rule.level else "medium",
            status=rule.status.name.lower() if rule.status else "",
            techniques=techniques(str(tag) for tag in rule.tags),
            source=_source(rule),
            path=path,
            line=line,
            condition=condition,
            description=str(rule.description or "")[:2000],
            name=str(rule.name or ""),
        )

    def translate_filter(self, content: Mapping[str, object]) -> tuple[LogSource, Node]:
        """Log source and condition of a filter's document. Raises RefusedRuleError."""
        section = content.get("filter")
        detection = (
            {key: value for key, value in section.items() if key != "rules"}
            if _is_mapping(section)
            else section
        )
        if "logsource" not in content:
            raise RefusedRuleError("a filter needs a logsource")
        rule, condition = self._compiled(
            {"title": "filter", "logsource": content["logsource"], "detection": detection}
        )
        return _source(rule), condition

    def _compiled(self, content: Mapping[str, object]) -> tuple[SigmaRule, Node]:
        """PySigma's view of a rule, and its condition. Raises RefusedRuleError."""
        _refuse_pipes(content.get("detection"))
        try:
            plain = {**content, "detection": _prepared(content.get("detection"))}
            rule = SigmaRule.from_dict(plain, policy=_POLICY)
            trees = [condition.parsed for condition in rule.detection.parsed_condition]
            before = len(self.atoms)
            nodes = [self._node(tree) for tree in trees]
        except RefusedRuleError:
            raise
        except PARSE_FAULTS as fault:
            raise RefusedRuleError(_reason(fault)) from fault
        if len(self.atoms) - before > MAX_ATOMS:
            raise RefusedRuleError(f"asks more than {MAX_ATOMS} questions")
        return rule, joined(OR, nodes)

    def _node(self, tree: object) -> Node:
        match tree:
            case sc.ConditionAND():
                return joined(AND, [self._node(child) for child in tree.args])
            case sc.ConditionOR():
                return joined(OR, [self._node(child) for child in tree.args])
            case sc.ConditionNOT():
                return negated(self._node(tree.args[0]))
            case sc.ConditionFieldEqualsValueExpression():
                return self._value(tree.field, tree.value)
            case sc.ConditionValueExpression():
                return self._value(None, tree.value)
            case _:
                raise RefusedRuleError("has an empty condition")

    def _value(self, field: str | None, value: st.SigmaType) -> Node:
        match value:
            case st.SigmaExpansion():
                return joined(OR, [self._value(field, inner) for inner in value.values])
            case st.SigmaString():
                return self._strings(field, value)
            case st.SigmaRegularExpression():
                return self._regex(field, value)
            case st.SigmaExists():
                present = self._atom(field, Predicate(Op.EXISTS))
                return present if value.exists else (NOT, present)
            case st.SigmaFieldReference():
                return self._atom(field, _reference(field, value))
            case st.SigmaCompareExpression() if value.op in _COMPARES:
                return self._atom(field, Predicate(_COMPARES[value.op], str(value.number)))
            case st.SigmaTimestampPart():
                part = value.timestamp_part.name.lower()
                return self._atom(field, Predicate(Op.TIME_PART, str(value.number), extra=part))
            case st.SigmaNumber() | st.SigmaBool():
                text = fold(str(value))
                return self._atom(field, Predicate(Op.EQUALS if field else Op.CONTAINS, text))
            case st.SigmaNull():
                return self._atom(field, Predicate(Op.NULL))
            case st.SigmaCIDRExpression():
                return self._atom(field, Predicate(Op.CIDR, str(value.network)))
            case _:
                raise RefusedRuleError(f"{type(value).__name__} values are not supported")

    def _strings(self, field: str | None, value: st.SigmaString) -> Node:
        if not value.contains_placeholder():
            return self._atom(field, text_predicate(value, field is None))

        def given(placeholder: st.Placeholder) -> list[st.SigmaString]:
            if placeholder.name not in self._placeholders:
                raise RefusedRuleError(
                    f"nobody gave a value for the placeholder {placeholder.name}"
                )
            return [st.SigmaString(text) for text in self._placeholders[placeholder.name]]

        replaced = value.replace_placeholders(lambda placeholder: iter(given(placeholder)))
        return joined(
            OR, [self._atom(field, text_predicate(one, field is None)) for one in replaced]
        )

    def _regex(self, field: str | None, value: st.SigmaRegularExpression) -> Node:
        if value.contains_placeholder():
            raise RefusedRuleError("placeholders in regular expressions are not supported")
        flags = "".join(sorted(_FLAGS[flag] for flag in value.flags))
        pattern = str(value.regexp.to_plain_regex())
        return self._atom(field, Predicate(Op.REGEX, pattern, cased=True, extra=flags))

    def _atom(self, field: str | None, predicate: Predicate) -> int:
        return self.atoms.setdefault(Atom(field, predicate), len(self.atoms))


def techniques(tags: Iterable[str]) -> tuple[str, ...]:
    """ATT&CK ids among tags, in upper case and in their order."""
    found = (_TECHNIQUE.fullmatch(tag) for tag in tags)
    return tuple(dict.fromkeys(one.group(1).upper() for one in found if one))


def _source(rule: SigmaRule) -> LogSource:
    source = rule.logsource
    return LogSource(
        fold(source.product or ""), fold(source.category or ""), fold(source.service or "")
    )


_PIPE = re.compile(r"\|\s*(?:(near)\b|(\w+)\s*\(\s*([^)\s]*)\s*\))", re.ASCII)
_REPLACED = {
    "count": "value_count", "sum": "value_sum", "avg": "value_avg",
    "median": "value_median", "min": "value_percentile", "max": "value_percentile",
}  # fmt: skip


def _refuse_pipes(detection: object) -> None:
    """Refuse Sigma 1's aggregations, naming what has taken their place."""
    conditions = detection.get("condition") if _is_mapping(detection) else None
    for condition in conditions if isinstance(conditions, list) else [conditions]:
        if not isinstance(condition, str) or "|" not in condition:
            continue
        found = _PIPE.search(condition)
        kind = "correlation"
        if found and found.group(1):
            kind = "temporal correlation"
        elif found:
            counts_events = found.group(2) == "count" and not found.group(3)
            instead = "event_count" if counts_events else _REPLACED.get(found.group(2), "")
            kind = f"{instead} correlation".strip()
        raise RefusedRuleError(
            f"has an aggregation (|) in its condition, which Sigma 2 has no more: write the rule "
            f"without it, and beside it a rule with the {kind} that refers to it"
        )


_DASHES = str.maketrans(dict.fromkeys("\u2013\u2014\u2015", "-"))


def _prepared(value: object) -> object:
    """A detection as pySigma reads it: `utf16le` by its other name, `windash` of plain dashes.

    Of the dashes that Windows takes, pySigma varies the plain ones alone.
    """
    if isinstance(value, list):
        return [_prepared(inner) for inner in value]
    if not _is_mapping(value):
        return value
    made = {}
    for key, inner in value.items():
        name, *modifiers = str(key).split("|")
        varied = "windash" in modifiers
        modifiers = ["wide" if one == "utf16le" else one for one in modifiers]
        made["|".join([name, *modifiers])] = _dashed(inner) if varied else _prepared(inner)
    return made


def _dashed(value: object) -> object:
    if isinstance(value, list):
        return [_dashed(inner) for inner in value]
    return value.translate(_DASHES) if isinstance(value, str) else value


def _reason(fault: Exception) -> str:
    text = str(fault).strip()[:300]
    if isinstance(fault, SigmaConditionError):
        return f"has a condition that cannot be read: {text}"
    return text if isinstance(fault, SigmaError) and text else f"{type(fault).__name__}: {text}"


def _is_mapping(content: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(content, Mapping)


def _reference(field: str | None, value: st.SigmaFieldReference) -> Predicate:
    if field is None:
        raise RefusedRuleError("a field reference needs a field to compare with")
    how = {
        (False, False): "equals",
        (True, False): "startswith",
        (False, True): "endswith",
        (True, True): "contains",
    }[value.starts_with, value.ends_with]
    return Predicate(Op.FIELD, value.field, extra=how)


class _RegexFaultError(ValueError):
    """A regular expression that RE2 does not take."""


class _LinearTime(RegexEngine):
    """pySigma's view of RE2, silent: it logs faults to standard error otherwise."""

    def compile(self, pattern: str, flags: int = 0) -> RegexPattern:
        letters = "".join(letter for letter, flag in _PYTHON_FLAGS.items() if flags & flag)
        options = re2.Options()
        options.log_errors = False
        try:
            compiled: RegexPattern = re2.compile(
                f"(?{letters}){pattern}" if letters else pattern, options
            )
        except (re2.error, UnicodeError) as fault:
            reason = fault.args[0] if fault.args else ""
            text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(fault)
            raise _RegexFaultError(
                f"RE2, which matches in linear time, says {text[:120]}"
            ) from fault
        return compiled

    @property
    def error(self) -> type[Exception]:
        return _RegexFaultError


_PYTHON_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
_POLICY = SigmaPolicy(regex_engine=_LinearTime())


def text_predicate(value: st.SigmaString, keyword: bool) -> Predicate:
    """A Sigma string as the cheapest predicate that asks the same.

    A keyword is looked for anywhere in a value.
    """
    cased = isinstance(value, st.SigmaCasedString)
    parts: list[str] = [WILDCARD] if keyword else []
    for part in value.s:
        if isinstance(part, str):
            parts.append("=" + (part if cased else fold(part)))
        else:
            parts.append(WILDCARD if part is st.SpecialChars.WILDCARD_MULTI else SINGLE)
    if keyword:
        parts.append(WILDCARD)
    parts = [
        part
        for i, part in enumerate(parts)
        if part != WILDCARD or i == 0 or parts[i - 1] != WILDCARD
    ]
    parts = like_parts(like_text(parts))  # joins literals that stand side by side
    match parts:
        case []:
            return Predicate(Op.EQUALS, "", cased)
        case ["*"]:
            return Predicate(Op.PRESENT)
        case [literal] if literal[0] == "=":
            return Predicate(Op.EQUALS, literal[1:], cased)
        case ["*", literal] if literal[0] == "=":
            return Predicate(Op.ENDSWITH, literal[1:], cased)
        case [literal, "*"] if literal[0] == "=":
            return Predicate(Op.STARTSWITH, literal[1:], cased)
        case ["*", literal, "*"] if literal[0] == "=":
            return Predicate(Op.CONTAINS, literal[1:], cased)
        case _:
            return Predicate(Op.LIKE, like_text(parts), cased)
