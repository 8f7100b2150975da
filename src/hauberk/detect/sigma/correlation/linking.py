"""References between rules and correlations resolved: who reads whom, who is silent."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from hauberk.detect.sigma.program import Refusal, Rule

from .reading import Section
from .rule import Correlation

MAX_DEPTH = 12
"""Correlations that may stand one on the other."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A correlation whose references are still names. `correlation` has everything else."""

    correlation: Correlation
    section: Section


@dataclass(frozen=True, slots=True)
class Linked:
    """Correlations that can be judged, those that cannot, and the rules that only they read."""

    correlations: tuple[Correlation, ...]
    refusals: tuple[Refusal, ...]
    silent: frozenset[str]


def link(
    drafts: Sequence[Draft],
    rules: Sequence[Rule],
    names: Mapping[str, str],
    refused: Iterable[str] = (),
) -> Linked:
    """Resolve the references of all drafts.

    `names` are uids by name; a name that several rules bear has the uid "". `refused` are ids and
    names of rules that could not be compiled. A correlation that refers to nothing, to itself or to
    one that is refused is refused itself.
    """
    known = {rule.uid: rule.uid for rule in rules}
    known.update({draft.correlation.uid: draft.correlation.uid for draft in drafts})
    gone = set(refused)
    faults: dict[str, str] = {}
    resolved: dict[str, Correlation] = {}
    for draft in drafts:
        made = _resolved(draft, known, names, gone)
        if isinstance(made, str):
            faults[draft.correlation.uid] = made
        else:
            resolved[made.uid] = made
    _without_circles(resolved, faults)
    _without_refused(resolved, faults)
    _without_depth(resolved, faults)
    _without_refused(resolved, faults)
    refusals = tuple(
        Refusal(one.path, one.line, one.uid, faults[one.uid])
        for one in (draft.correlation for draft in drafts)
        if one.uid in faults
    )
    silent = _silent(resolved.values())
    correlations = tuple(replace(one, silent=uid in silent) for uid, one in resolved.items())
    return Linked(correlations, refusals, silent)


def _resolved(
    draft: Draft, known: Mapping[str, str], names: Mapping[str, str], gone: set[str]
) -> Correlation | str:
    """The correlation with uids for references, or why that cannot be."""
    section = draft.section
    found = []
    for reference in section.references:
        uid = _uid(reference, known, names)
        if not uid:
            return _why(reference, uid, gone)
        found.append(uid)
    aliases: dict[str, dict[str, str]] = {}
    for alias, fields in section.aliases.items():
        mine = aliases.setdefault(alias, {})
        for reference, name in fields.items():
            uid = _uid(reference, known, names)
            if not uid:
                return f"the alias {alias}: {_why(reference, uid, gone)}"
            mine[uid] = name
    if len(set(found)) < len(set(section.references)):
        return "refers to one rule under two names"
    return replace(draft.correlation, rules=tuple(found), aliases=aliases)


def _uid(reference: str, known: Mapping[str, str], names: Mapping[str, str]) -> str | None:
    return names.get(reference) if reference in names else known.get(reference.lower())


def _why(reference: str, uid: str | None, gone: set[str]) -> str:
    if uid == "":
        return f"refers to {reference}, a name that several rules bear"
    if reference in gone or reference.lower() in gone:
        return f"refers to {reference}, which was refused"
    return f"refers to {reference}, and no rule has that id or name"


def _without_circles(resolved: dict[str, Correlation], faults: dict[str, str]) -> None:
    done: set[str] = set()
    for uid in list(resolved):
        trail: list[str] = []
        stack = [(uid, False)]
        while stack:
            current, leaving = stack.pop()
            if leaving:
                done.add(trail.pop())
                continue
            if current in trail:
                for member in trail[trail.index(current) :]:
                    circle = " → ".join(
                        resolved[one].title for one in trail[trail.index(current) :]
                    )
                    faults.setdefault(member, f"refers to itself: {circle} → …"[:400])
                continue
            if current in done or current not in resolved:
                continue
            trail.append(current)
            stack.append((current, True))
            stack.extend((inner, False) for inner in resolved[current].rules)
    for uid in faults:
        resolved.pop(uid, None)


def _without_depth(resolved: dict[str, Correlation], faults: dict[str, str]) -> None:
    levels = dict.fromkeys(resolved, 1)
    for _ in range(MAX_DEPTH):
        levels = {
            uid: 1 + max((levels.get(inner, 0) for inner in one.rules), default=0)
            for uid, one in resolved.items()
        }
    for uid, level in levels.items():
        if level > MAX_DEPTH:
            faults[uid] = f"reads correlations of correlations more than {MAX_DEPTH} deep"
            del resolved[uid]


def _without_refused(resolved: dict[str, Correlation], faults: dict[str, str]) -> None:
    """Refuse what refers to a refused correlation, and what refers to that."""
    found = True
    while found:
        found = False
        for uid, one in list(resolved.items()):
            bad = next((inner for inner in one.rules if inner in faults), None)
            if bad is not None:
                name = one.names[one.rules.index(bad)]
                faults[uid] = f"refers to {name}, which was refused"
                del resolved[uid]
                found = True


def _silent(correlations: Iterable[Correlation]) -> frozenset[str]:
    """What is read by correlations and told by none of them."""
    read: set[str] = set()
    told: set[str] = set()
    for one in correlations:
        read.update(one.rules)
        if one.generate:
            told.update(one.rules)
    return frozenset(read - told)


def wanted_fields(correlations: Sequence[Correlation]) -> dict[str, tuple[str, ...]]:
    """For each rule that any correlation reads, near or far, the fields to keep of its events."""
    known = {one.uid: one for one in correlations}
    wanted: dict[str, dict[str, None]] = {}
    for one in correlations:
        names: dict[str, None] = {}
        for name in (*one.group_by, *one.fields):
            names[name] = None
            names.update(dict.fromkeys(one.aliases.get(name, {}).values()))
        seen: set[str] = set()
        waiting = list(one.rules)
        while waiting:
            uid = waiting.pop()
            if uid in seen:
                continue
            seen.add(uid)
            if uid in known:
                waiting.extend(known[uid].rules)
            else:
                wanted.setdefault(uid, {}).update(names)
    return {rule: tuple(sorted(names)) for rule, names in wanted.items()}
