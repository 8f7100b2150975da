"""What a home has to tell after a cursor: findings by commit, then incidents that are other now."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from hauberk.events import FindingKind
from hauberk.pipeline import load_incident
from hauberk.store import Home
from hauberk.triage import Incident

from .cursor import Cursor, Told
from .interface import Filter, Message
from .messages import digest_of, finding_message, incident_message

WINDOW = 5_000
"""Findings that are read at once; some kilobytes each."""

STORIES = 200
"""Incidents that are read at once; up to a megabyte each."""

MAX_EVENTS = 10
"""Events of a finding whose raw records are sent, where they are."""


@dataclass(frozen=True, slots=True)
class Window:
    """Some messages in order, each with the place that the cursor has once it is sent.

    `end` is the place after all of them; `more` is whether the home has more to tell already.
    """

    messages: Sequence[tuple[Message, "Step"]]
    end: "Step"
    more: bool


@dataclass(frozen=True, slots=True)
class Step:
    """How a cursor moves: to a finding's place, or over an incident; None stays."""

    commit: int | None = None
    uid: str = ""
    incident: tuple[str, Told] | None = None
    incidents: int | None = None
    gone: frozenset[str] = frozenset()  # incidents that are no more

    def move(self, cursor: Cursor) -> None:
        """Move a cursor."""
        if self.commit is not None:
            cursor.commit, cursor.uid = self.commit, self.uid
        if self.incident is not None:
            cursor.told[self.incident[0]] = self.incident[1]
        if self.incidents is not None:
            cursor.incidents = self.incidents
        for uid in self.gone:
            cursor.told.pop(uid, None)


def first_cursor(path: Path, *, from_beginning: bool) -> Cursor:
    """The cursor of an output that never ran: at the beginning, or after all that is there."""
    with Home.open(path, read_only=True) as home:
        if from_beginning:
            return Cursor(home.origin)
        last = home.records.last_commit()
        incidents = home.records.incidents_of_commit()[1]
        told = {one.uid: Told(0, digest_of(one)) for one in _incidents(home)}
        return Cursor(home.origin, last, _LAST, incidents, told)


_LAST = "\U0010ffff"
"""A place after every uid: all of a commit is sent."""


def newest_commit(path: Path) -> int:
    """Number of the newest commit of a home."""
    with Home.open(path, read_only=True) as home:
        return home.records.last_commit()


def read_window(path: Path, cursor: Cursor, chosen: Filter) -> Window:
    """What comes next after a cursor, oldest first; changes nothing."""
    with Home.open(path, read_only=True) as home:
        last = home.records.last_commit()
        if home.origin != cursor.origin or last < cursor.commit:
            return _begin_again(home, cursor, last)
        found: list[tuple[Message, Step]] = []
        if chosen.findings:
            findings = home.records.findings_after(cursor.commit, cursor.uid, last, WINDOW)
            found.extend(_of_findings(home, findings, chosen))
            if findings.height == WINDOW:
                end = Step(int(findings["commit"][-1]), str(findings["uid"][-1]))
                return Window(found, end, more=True)
        # A commit brings findings before the incidents that are made of them.
        newest = home.records.incidents_of_commit()[1]
        end = Step(last, _LAST)
        if chosen.incidents and newest > cursor.incidents:
            gone, before = set(cursor.told), len(found)
            for one in _incidents(home):
                gone.discard(one.uid)
                found.extend(_of_incident(one, cursor, chosen))
                if len(found) - before >= STORIES:
                    return Window(found, end, more=True)
            end = replace(end, incidents=newest, gone=frozenset(gone))
        return Window(found, end, more=False)


def _begin_again(home: Home, cursor: Cursor, last: int) -> Window:
    """A home that was restored, or made anew: go on at its end."""
    cursor.notes.append(
        f"the home has {last} commits and the cursor was at {cursor.commit}: it goes on from there"
    )
    cursor.origin = home.origin
    return Window((), Step(last, _LAST, incidents=0), more=True)


def _incidents(home: Home) -> Iterator[Incident]:
    return (load_incident(one) for one in home.records.each_incident())


def _of_findings(
    home: Home, findings: pl.DataFrame, chosen: Filter
) -> Iterator[tuple[Message, Step]]:
    told = findings.filter(
        (pl.col("kind") != FindingKind.SUPPRESSED)
        & (pl.col("severity_id").fill_null(0) >= chosen.least_severity)
    )
    evidence = _evidence(home, told) if chosen.raw else {}
    for row in told.iter_rows(named=True):
        message = finding_message(row, row["commit"], chosen, evidence)
        yield message, Step(row["commit"], message.uid)


def _of_incident(
    incident: Incident, cursor: Cursor, chosen: Filter
) -> Iterator[tuple[Message, Step]]:
    before = cursor.told.get(incident.uid, Told(0, ""))
    digest = digest_of(incident)
    wanted = not before.times if chosen.only_new else True
    # Whoever was told of an incident is told too that it fell below what is asked for.
    passes = chosen.lets(incident) or before.times > 0
    if digest != before.digest and wanted and passes:
        message = incident_message(incident, before.times, digest, chosen)
        yield message, Step(incident=(incident.uid, Told(before.times + 1, digest)))


def _evidence(home: Home, findings: pl.DataFrame) -> Mapping[str, Mapping[str, object]]:
    uids = findings["evidence"].list.head(MAX_EVENTS).explode().drop_nulls().unique()
    columns = ("metadata.uid", "record.source", "record.offset", "record.length", "raw_data")
    found: dict[str, Mapping[str, object]] = {}
    for frame in home.lake.get(uids.to_list()).values():
        for row in frame.select(columns).iter_rows(named=True):
            found[str(row["metadata.uid"])] = row
    return found
