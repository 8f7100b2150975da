"""Hits of Hauberk and of pySigma's queries on SQLite, one by one, and why any differ."""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from hauberk.detect.sigma import Engine, RuleSet, load_rules
from hauberk.detect.sigma.expression import literals
from hauberk.detect.sigma.predicate import Op

from .events import Columns, batches, groups
from .queries import queries

PEER = Path(__file__).with_name("sqlite_peer.py")

Hit = tuple[int, str]

CAUSES: Mapping[str, tuple[str, str]] = {
    "letters": (
        "Hauberk",
        "Sigma compares text without regard to case; SQLite's LIKE and NOCASE fold ASCII alone.",
    ),
    "address": (
        "Hauberk",
        "`cidr` asks whether an address lies in a network; the backend compares spellings by LIKE.",
    ),
    "number": (
        "Hauberk",
        "`lt` and its kin compare numbers; SQLite compares a column of text as text.",
    ),
    "expression": (
        "neither",
        "Sigma asks for PCRE and no more; RE2 and Python's `re` differ in classes and ends.",
    ),
    "cased": (
        "Hauberk",
        "`cased` compares as written; a column declared NOCASE does not know that.",
    ),
    "list": (
        "Hauberk",
        "Of several values of a field one has to match; flattening made one text of them.",
    ),
    "unknown": ("to be found out", "No known cause explains it."),
}
"""Cause of a difference: who is right by Sigma 2.1, and why."""


def ours(rules: RuleSet, events: Path) -> set[Hit]:
    """Hauberk's hits: place of the event in the file, and the rule's id."""
    engine, found, at = Engine(rules), set[Hit](), 0
    for lines in batches(events):
        for key, places, rows in groups(lines):
            for row, fired in engine.match(key, Columns(rows)):
                found.update((at + places[row], rules.rules[rule].uid) for rule in fired)
        at += len(lines)
    return found


def theirs(asked: Path, events: Path, count: int, python: str) -> tuple[set[Hit], dict[str, str]]:
    """SQLite's hits, and what became of queries that it could not run."""
    with tempfile.TemporaryDirectory() as folder:
        hits = Path(folder) / "hits.json"
        command = [python, str(PEER), str(asked), str(events), str(count), "--hits", str(hits)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        faults: dict[str, str] = json.loads(done.stdout)["faults"]
        return {(place, uid) for place, uid in json.loads(hits.read_text())}, faults


def compare(every: Path, events: Path, folder: Path, python: str = sys.executable) -> str:
    """docs/sigma-differences.md: how many hits are the same, and each rule whose are not."""
    rules = load_rules([every], cache=folder / "cache")
    asked = queries(every, folder, keywords=True)
    with events.open("rb") as lines:
        count = sum(1 for _ in lines)
    found = ours(rules, events)
    expected, faults = theirs(asked, events, count, python)
    refused = json.loads(asked.read_text())["refused"]
    known = {rule.uid for rule in rules.rules}
    judged = {uid for uid, _ in json.loads(asked.read_text())["sql"]} & known - set(faults)
    found = {hit for hit in found if hit[1] in judged}
    expected = {hit for hit in expected if hit[1] in judged}
    return "\n".join([
        "# Where Hauberk's Sigma hits differ from SQLite's",
        "",
        "Written by `python -m benchmarks.sigma --oracle`. The oracle is pySigma's SQLite backend",
        "on SQLite: another compiler, another engine. Both sides are told by the same table which",
        "logs a rule reads and what its fields are called there; all else is their own.",
        "",
        f"- Events: {count:,} real Windows events, of each log and event id by turns.",
        f"- Rules: {len(judged):,} of the public rules for Windows, {_queries(asked):,} queries.",
        f"- Hits: Hauberk {len(found):,} by {len({u for _, u in found}):,} rules, "
        f"SQLite {len(expected):,}; the same on both sides: {len(found & expected):,}.",
        f"- Rules that the backend or SQLite does not take: {len(faults) + len(refused)}.",
        "",
        *_table(rules, events, found - expected, expected - found),
        *_untaken(rules, [*faults.items(), *refused]),
        "",
    ])  # fmt: skip


def _queries(asked: Path) -> int:
    return len(json.loads(asked.read_text())["sql"])


def _table(rules: RuleSet, events: Path, more: set[Hit], less: set[Hit]) -> Iterable[str]:
    if not more and not less:
        return ["No hit differs."]
    lines = [
        "| rule | events | who fires | cause | right by Sigma 2.1 | why |",
        "|---|---|---|---|---|---|",
    ]
    rows = _rows(events, {place for place, _ in more | less})
    by_uid = {rule.uid: number for number, rule in enumerate(rules.rules)}
    for side, hits in (("Hauberk alone", more), ("SQLite alone", less)):
        for uid, count in sorted(Counter(uid for _, uid in hits).items()):
            places = [place for place, of in hits if of == uid]
            cause = _cause(rules, by_uid[uid], [rows[place] for place in places])
            right, why = CAUSES[cause]
            title = rules.rules[by_uid[uid]].title.replace("|", "\\|")
            lines.append(f"| {title} | {count} | {side} | {cause} | {right} | {why} |")
    return lines


def _rows(events: Path, wanted: set[int]) -> dict[int, dict[str, object]]:
    with events.open("rb") as lines:
        return {place: json.loads(line) for place, line in enumerate(lines) if place in wanted}


def _cause(rules: RuleSet, number: int, rows: list[dict[str, object]]) -> str:
    """The first known cause that a rule and its events allow."""
    atoms = [rules.atoms[atom] for atom in literals(rules.rules[number].condition)]
    fields = {atom.field for atom in atoms}
    values = [row[name] for row in rows for name in row if name in fields or None in fields]
    if any(isinstance(value, list) for value in values):
        return "list"
    if any(isinstance(value, str) and not value.isascii() for value in values):
        return "letters"
    ops = {atom.predicate.op for atom in atoms}
    if Op.CIDR in ops:
        return "address"
    if ops & {Op.LESS, Op.LESS_EQUAL, Op.GREATER, Op.GREATER_EQUAL}:
        return "number"
    if any(atom.predicate.cased and atom.predicate.op is not Op.REGEX for atom in atoms):
        return "cased"
    return "expression" if Op.REGEX in ops else "unknown"


def _untaken(rules: RuleSet, untaken: Iterable[tuple[str, str]]) -> Iterable[str]:
    titles = {rule.uid: rule.title for rule in rules.rules}
    rows = sorted(
        {(titles.get(uid, Path(uid).name), why.splitlines()[0][:120]) for uid, why in untaken}
    )
    if not rows:
        return []
    return [
        "", "## Not judged by the oracle", "", "| rule | why |", "|---|---|",
        *(f"| {title} | {why.replace('|', chr(92) + '|')} |" for title, why in rows),
    ]  # fmt: skip
