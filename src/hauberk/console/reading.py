"""What the console knows of a home: an index of its incidents, kept up with its commits.

Reading never locks the home. The index holds what the queue shows and is made anew in a thread
of its own when a commit has changed incidents, so that no page waits for it.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from hauberk.errors import HauberkError
from hauberk.events import FINDING_SCHEMA, TIME
from hauberk.pipeline import alerts_around, load_incident, ranked_groupings
from hauberk.store import Home, Places, StoredIncident
from hauberk.triage import Groupings, Incident

from .similar import Likeness

POLL_SECONDS = 1.0
_ENTITIES, _TEXT = 24, 4000

TIMELINE = ("time", "title", "message", "detector", "surprise", "techniques")
"""Columns of findings that a timeline shows."""

INDEX_SCHEMA = pl.Schema(
    {
        "uid": pl.String(),
        "title": pl.String(),
        "probability": pl.Float64(),
        "severity_id": pl.Int32(),
        "start": TIME,
        "end": TIME,
        "above_budget": pl.Boolean(),
        "entities": pl.List(pl.String()),
        "tactics": pl.List(pl.String()),
        "findings": pl.Int64(),
        "events": pl.Int64(),
        "techniques": pl.List(pl.String()),
        "analytics": pl.List(pl.String()),
        "supersedes": pl.List(pl.String()),
        "text": pl.String(),  # lower case: what a search looks into
    }
)
"""One row is one incident, most probable first."""


@dataclass(frozen=True, slots=True)
class Index:
    """The incidents of a home after one commit. `fault` says why it is no newer."""

    commit: int
    incidents: pl.DataFrame
    fault: str = ""
    likeness: Likeness | None = None
    heirs: Mapping[str, str] = field(default_factory=dict)  # former uids to those that hold them
    groupings: Groupings = field(default_factory=Groupings)  # those that the ranking knew


class Reading:
    """A home that is read while others write it."""

    def __init__(self, home: Path) -> None:
        self.path = home
        self._index = Index(0, pl.DataFrame(schema=INDEX_SCHEMA))
        self._made_of: tuple[int, int] | None = None
        self._places = Places()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def index(self) -> Index:
        """The newest index."""
        return self._index

    def open(self) -> Home:
        """The home for one look. Raises UsageError, HomeDamagedError."""
        return Home.open(self.path, read_only=True)

    def start(self) -> None:
        """Look now, and from now on whenever the home has a new commit."""
        self.look()
        self._thread = threading.Thread(target=self._follow, name="reading", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=10)

    def _follow(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            self.look()

    def look(self) -> None:
        """Bring the index up to the newest commit; where that fails the old one stays."""
        try:
            with self.open() as home:
                commit = home.records.last_commit()
                if commit == self._index.commit and not self._index.fault:
                    return
                made_of = home.records.incidents_of_commit()
                index = replace(self._index, groupings=ranked_groupings(home))
                if made_of != self._made_of:
                    incidents = index_of(home)
                    heirs = incidents.select("supersedes", "uid").explode("supersedes").drop_nulls()
                    likeness = Likeness(incidents)
                    index = replace(
                        index, incidents=incidents, heirs=dict(heirs.rows()), likeness=likeness
                    )
                    self._made_of = made_of
        except HauberkError as error:
            self._index = replace(self._index, fault=str(error))
        except Exception as error:  # noqa: BLE001  # shown on the health page; the next look may do
            self._index = replace(self._index, fault=f"{type(error).__name__}: {error}")
        else:
            self._index = replace(index, commit=commit, fault="")

    def incident(self, uid: str) -> Incident | None:
        """An incident whole, by its exact uid."""
        with self.open() as home:
            stored = home.records.incident(uid) if uid else None
        return load_incident(stored) if stored is not None and stored.uid == uid else None

    def alerts_around(self, incident: Incident) -> pl.DataFrame:
        """What other products said of its hosts about its time (ALERTS_SCHEMA), rarest first."""
        with self.open() as home:
            return alerts_around(home, incident)

    def timeline(self, incident: Incident, uids: Sequence[str]) -> pl.DataFrame:
        """Some findings of an incident in order of time: TIMELINE and their uids."""
        return self._findings(incident, uids, TIMELINE)

    def finding(self, incident: Incident, uid: str) -> dict[str, object] | None:
        """A finding of an incident whole, by column name of FINDING_SCHEMA."""
        found = self._findings(incident, [uid], FINDING_SCHEMA.names())
        return found.row(0, named=True) if found.height else None

    def _findings(
        self, incident: Incident, uids: Sequence[str], columns: Sequence[str]
    ) -> pl.DataFrame:
        bounds = incident.start, incident.end
        with self.open() as home:
            return home.records.findings_within(uids, columns, *bounds, self._places)

    def events(self, uids: list[str]) -> dict[str, Mapping[str, object]]:
        """Events by metadata.uid, each with `class_uid` and the columns that it has."""
        found: dict[str, Mapping[str, object]] = {}
        with self.open() as home:
            for event_class, frame in home.lake.get(uids).items():
                for row in frame.iter_rows(named=True):
                    kept = {name: value for name, value in row.items() if value is not None}
                    found[str(row["metadata.uid"])] = {"class_uid": int(event_class), **kept}
        return found


def index_of(home: Home) -> pl.DataFrame:
    """The index (INDEX_SCHEMA) of a home's incidents."""
    rows = [_row(one) for one in home.records.each_incident()]
    frame = pl.DataFrame(rows, schema=INDEX_SCHEMA, orient="row")
    return frame.sort(
        "probability", "severity_id", "start", "uid", descending=[True, True, False, False]
    )


def _row(stored: StoredIncident) -> dict[str, object]:
    body = stored.body
    entities, tactics = _texts(body.get("entities")), _texts(body.get("tactics"))
    title = str(body.get("title") or "")
    return {
        "uid": stored.uid,
        "title": title[:300],
        "probability": stored.probability,
        "severity_id": _number(body.get("severity_id")),
        "start": stored.start,
        "end": stored.end,
        "above_budget": stored.above_budget,
        "entities": entities[:_ENTITIES],
        "tactics": tactics,
        "findings": len(_texts(body.get("findings"))) - len(_texts(body.get("context"))),
        "events": _number(body.get("event_count")),
        "techniques": _texts(body.get("techniques")),
        "analytics": _texts(body.get("analytics")),
        "supersedes": _texts(body.get("supersedes")),
        "text": "\n".join((title, stored.uid, *entities))[:_TEXT].lower(),
    }


def _texts(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0
