"""Why a rule fires on an event, or why it does not: an event of the home or of a file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from hauberk.detect.sigma import Engine, Rule, RuleSet, Trace, trace
from hauberk.errors import UnreadableInputError, UsageError
from hauberk.events import EventBatch, EventGroup
from hauberk.ingest import (
    Batch,
    Unreadable,
    find_inputs,
    read_batches,
    recognise,
    stamp,
    why_unrecognised,
)
from hauberk.store import Home

from .again import STORED, parsed_again

MAX_EXPLAINED = 20
"""Events of one request that are explained."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A rule held against one event. `trace` is None where the rule does not read that log."""

    event: str
    log: str
    fields: Mapping[str, object]
    trace: Trace | None

    @property
    def fires(self) -> bool:
        """Whether the rule fires on the event."""
        return self.trace is not None and self.trace.held


def find_rule(rules: RuleSet, reference: str) -> Rule:
    """The rule of that id (or the start of it), or with that in its title or file name.

    Raises UsageError where it is none, or more than one.
    """
    wanted = reference.casefold()
    found = [one for one in rules.rules if one.uid.startswith(wanted)]
    found = found or [one for one in rules.rules if Path(one.path).stem.casefold() == wanted]
    found = found or [one for one in rules.rules if wanted in one.title.casefold()]
    if not found:
        raise UsageError(
            f"no rule is named by {reference!r}", hint="`hauberk rules list` shows ids and titles"
        )
    if len(found) > 1:
        some = "; ".join(f"{one.title} ({one.uid[:8]})" for one in found[:4])
        raise UsageError(
            f"{len(found)} rules are named by {reference!r}: {some}", hint="Give its id"
        )
    return found[0]


def explain_event(home_path: Path, rules: RuleSet, rule: Rule, reference: str) -> list[Explained]:
    """The rule held against an event of the home, or against the events of a finding, by uid.

    Raises UsageError where the home has neither.
    """
    with Home.open(home_path, read_only=True) as home:
        uids = [reference] if ":" in reference else _evidence(home, reference)
        held = home.lake.get(uids[:MAX_EXPLAINED])
        if not held:
            raise UsageError(
                f"no event is named by {reference!r}",
                hint="`hauberk show FINDING --json` lists the uids of its events",
            )
        stored = pl.concat([frame.select(STORED) for frame in held.values()])
        batches = list(parsed_again(home, stored))
    return list(_explained(batches, rules, rule))


def explain_file(path: Path, rules: RuleSet, rule: Rule) -> list[Explained]:
    """The rule held against the first events of a file that are of a log it reads.

    Raises UnreadableInputError where nothing can be read.
    """
    others: list[Explained] = []
    found: list[Explained] = []
    for one in _explained(_read(path), rules, rule):
        (others if one.trace is None else found).append(one)
        if len(found) >= MAX_EXPLAINED:
            break
    return found or others[:1]


def _evidence(home: Home, reference: str) -> list[str]:
    findings = home.records.findings().filter(pl.col("uid").str.starts_with(reference))
    if findings.height != 1:
        raise UsageError(
            f"{findings.height} findings begin with {reference!r}",
            hint="Give the uid of a finding or of an event, or a file with --file",
        )
    return [str(uid) for uid in findings["evidence"][0].to_list()]


def _read(path: Path) -> Iterator[EventBatch]:
    for found in find_inputs([path]):
        if isinstance(found, Unreadable):
            raise UnreadableInputError(found.reason, where=found.source)
        format_ = recognise(found.head, found.path)
        if format_ is None:
            raise UnreadableInputError(why_unrecognised(found.head), where=found.source)
        for batch in read_batches(found, format_):
            if isinstance(batch, Batch):
                groups = stamp(format_.parse(batch.records), batch)
                yield EventBatch.from_groups(batch.batch_id, groups)


def _explained(
    batches: Iterator[EventBatch] | list[EventBatch], rules: RuleSet, rule: Rule
) -> Iterator[Explained]:
    engine = Engine(rules)
    number = rules.rules.index(rule)
    for batch in batches:
        for group in batch.groups:
            selector = engine.selector(number, group.key)
            for row in range(len(group.fields)):
                fields = group.fields.row(row)
                held = None if selector is None else trace(rules, rule, fields, selector)
                yield Explained(_uid(group, row), _log(group), fields, held)


def _uid(group: EventGroup, row: int) -> str:
    return str(group.events["metadata.uid"][row])


def _log(group: EventGroup) -> str:
    key = group.key
    return "/".join(part for part in (key.product, key.service, key.event_code) if part)
