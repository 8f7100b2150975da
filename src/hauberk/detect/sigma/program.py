"""A compiled rule set: rules, the atoms they ask, and what was refused; stored as JSON."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson

from .correlation import Correlation, Filter, decode_correlation, encode_correlation
from .expression import Node
from .predicate import Op, Predicate
from .taxonomy import LogSource

PROGRAM_VERSION = "3"
"""Moves when the same rule files would compile to another program."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: what it says of itself, and its condition over the atoms of its rule set."""

    uid: str
    title: str
    level: str  # informational, low, medium, high, critical
    status: str  # stable, test, experimental, deprecated, unsupported, or ""
    techniques: tuple[str, ...]  # ATT&CK ids in upper case, in the order of the tags
    source: LogSource
    path: str
    line: int
    condition: Node
    description: str = ""
    name: str = ""
    silent: bool = False  # only correlations read its hits; it makes no findings


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule that was not compiled, where it stands and why."""

    path: str
    line: int
    rule_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Atom:
    """A predicate asked of a field; without a field, of every value of the event."""

    field: str | None
    predicate: Predicate


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules that are judged together. `digest` identifies files, engine version and taxonomy."""

    rules: tuple[Rule, ...]
    atoms: tuple[Atom, ...]
    refusals: tuple[Refusal, ...] = field(default=())
    digest: str = ""
    correlations: tuple[Correlation, ...] = ()
    filters: tuple[Filter, ...] = ()
    taxonomy: Path | None = None  # a user's own, over the shipped one

    def only(self, uids: Collection[str]) -> "RuleSet":
        """The rules of these uids alone."""
        chosen = tuple(rule for rule in self.rules if rule.uid in uids)
        return replace(self, rules=chosen, digest=f"{self.digest}:{','.join(sorted(uids))}")


def encode(rules: RuleSet) -> bytes:
    """A rule set as JSON."""
    return orjson.dumps(
        {
            "version": PROGRAM_VERSION,
            "digest": rules.digest,
            "atoms": [[atom.field, *atom.predicate] for atom in rules.atoms],
            "rules": [
                [
                    rule.uid, rule.title, rule.level, rule.status, rule.techniques,
                    [rule.source.product, rule.source.category, rule.source.service],
                    rule.path, rule.line, rule.condition, rule.description, rule.name, rule.silent,
                ]
                for rule in rules.rules
            ],
            "refusals": [[r.path, r.line, r.rule_id, r.reason] for r in rules.refusals],
            "correlations": [encode_correlation(one) for one in rules.correlations],
            "filters": [
                [f.uid, f.title, f.name, f.rules, f.path, f.line, f.description]
                for f in rules.filters
            ],
        }
    )  # fmt: skip


def decode(data: bytes, digest: str) -> RuleSet | None:
    """The rule set of `encode`, or None where the bytes are not one of this digest."""
    try:
        stored = orjson.loads(data)
        if stored["version"] != PROGRAM_VERSION or stored["digest"] != digest:
            return None
        atoms = tuple(
            Atom(name, Predicate(Op(op), text, cased, extra))
            for name, op, text, cased, extra in stored["atoms"]
        )
        rules = tuple(
            Rule(
                uid, title, level, status, tuple(techniques), LogSource(*source),
                path, line, _node(condition, len(atoms)), description, name, silent,
            )
            for uid, title, level, status, techniques, source, path, line, condition, description,
            name, silent
            in stored["rules"]
        )  # fmt: skip
        refusals = tuple(Refusal(*entry) for entry in stored["refusals"])
        correlations = tuple(decode_correlation(one) for one in stored["correlations"])
        filters = tuple(
            Filter(uid, title, name, tuple(narrowed), path, line, description)
            for uid, title, name, narrowed, path, line, description in stored["filters"]
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return RuleSet(rules, atoms, refusals, digest, correlations, filters)


def read_program(path: Path, digest: str) -> RuleSet | None:
    """A stored rule set, or None where there is none of this digest."""
    try:
        return decode(path.read_bytes(), digest)
    except OSError:
        return None


def _node(stored: object, atoms: int) -> Node:
    """Lists back into tuples, every literal checked against the number of atoms."""
    if isinstance(stored, bool):
        return stored
    if isinstance(stored, int):
        if not 0 <= stored < atoms:
            raise ValueError(f"atom {stored} of {atoms}")
        return stored
    if isinstance(stored, Sequence) and not isinstance(stored, str) and len(stored) > 1:
        operator, *children = stored
        if operator in ("&", "|", "!"):
            return (operator, *(_node(child, atoms) for child in children))
    raise ValueError("not an expression")
