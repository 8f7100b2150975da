"""Sigma filters: one condition that is added to many rules.

The rule then fires where its own condition and the filter's hold, so a filter that takes events
away says `not selection`, as pySigma reads it. A filter is for rules whose log source its own
covers: every part that it names is the same in the rule. Source: Sigma filters specification 2.1.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from .correlation import Filter
from .expression import AND, Node, joined
from .program import Refusal, Rule
from .taxonomy import LogSource


class FilterFaultError(ValueError):
    """A filter that cannot be applied, and why."""


@dataclass(frozen=True, slots=True)
class FilterDraft:
    """A filter with its compiled condition; `references` is None where it is for any rule."""

    filter: Filter
    source: LogSource
    condition: Node
    references: tuple[str, ...] | None


def filter_references(section: object) -> tuple[str, ...] | None:
    """Ids and names that a `filter` section refers to, None for any. Raises FilterFaultError."""
    if not isinstance(section, dict):
        raise FilterFaultError("filter: a mapping was expected")
    if "rules" not in section:
        raise FilterFaultError("filter: rules is missing; `any` is for all rules of the log source")
    if not isinstance(section.get("condition"), str):
        raise FilterFaultError("filter: exactly one condition is needed")
    rules = section["rules"]
    if rules == [] or (isinstance(rules, str) and rules.lower() == "any"):
        return None
    if isinstance(rules, str):
        return (rules,)
    if isinstance(rules, list) and all(isinstance(one, str | int) for one in rules):
        return tuple(str(one) for one in rules)
    raise FilterFaultError("filter: rules is neither `any` nor a list of ids and names")


def apply_filters(
    rules: Sequence[Rule],
    drafts: Sequence[FilterDraft],
    names: Mapping[str, str],
    correlations: Mapping[str, str],
) -> tuple[list[Rule], list[Filter], list[Refusal]]:
    """Rules with their filters, the filters with the rules that they narrow, and dangling ones.

    `names` are uids by name ("" where several rules bear it), `correlations` those of correlations.
    """
    made = {rule.uid: rule for rule in rules}
    applied, refusals = [], []
    for draft in drafts:
        chosen, faults = _chosen(draft, made, names, correlations)
        for uid in chosen:
            condition = joined(AND, [made[uid].condition, draft.condition])
            made[uid] = replace(made[uid], condition=condition)
        applied.append(replace(draft.filter, rules=tuple(chosen)))
        one = draft.filter
        refusals += [Refusal(one.path, one.line, one.uid, fault) for fault in faults]
    return list(made.values()), applied, refusals


def _chosen(
    draft: FilterDraft,
    rules: Mapping[str, Rule],
    names: Mapping[str, str],
    correlations: Mapping[str, str],
) -> tuple[list[str], list[str]]:
    covered = _covers(draft.source)
    if draft.references is None:
        return [uid for uid, rule in rules.items() if covered(rule.source)], []
    chosen, faults = [], []
    for reference in draft.references:
        uid = names.get(reference, reference.lower())
        rule = rules.get(uid)
        if rule is not None and covered(rule.source):
            chosen.append(uid)
        elif rule is not None:
            faults.append(f"does not narrow {reference}: its log source is another")
        elif uid in correlations:
            faults.append(f"does not narrow {reference}: it is a correlation; narrow what it reads")
        elif uid == "":
            faults.append(f"refers to {reference}, a name that several rules bear")
        else:
            faults.append(f"refers to {reference}, and no rule has that id or name")
    return list(dict.fromkeys(chosen)), faults


def _covers(mine: LogSource) -> Callable[[LogSource], bool]:
    def covered(other: LogSource) -> bool:
        return (
            mine.product in ("", other.product)
            and mine.category in ("", other.category)
            and mine.service in ("", other.service)
        )

    return covered
