"""Commits to build homes from, for tests and for the processes that tests kill."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from hauberk.events import FINDING_SCHEMA, EventClass, findings_frame
from hauberk.store import BatchEntry, Commit, DeadLetter, StoredIncident

START = datetime(2024, 3, 1, 12, tzinfo=UTC)


def events(batch_id: str, count: int, start: datetime = START) -> pl.DataFrame:
    """Authentication events a minute apart."""
    return pl.DataFrame(
        {
            "time": [start + timedelta(minutes=i) for i in range(count)],
            "metadata.uid": [f"{batch_id}:{i}" for i in range(count)],
            "raw_data": [f"{batch_id} line {i}".encode() for i in range(count)],
            "record.batch": [batch_id] * count,
            "actor.user.name": [f"user{i % 7}" for i in range(count)],
        },
        schema_overrides={"time": pl.Datetime("us", "UTC")},
    )


def findings(uids: Sequence[str], time: datetime = START) -> pl.DataFrame:
    """One finding a uid."""
    row: dict[str, object] = dict.fromkeys(FINDING_SCHEMA.names())
    return findings_frame(
        [
            {
                **row,
                "uid": uid,
                "time": time,
                "title": f"about {uid}",
                "entities": ["user:a"],
                "techniques": [],
                "reasons": [{"text": "because", "value": "1", "bits": 2.5}],
                "count": 1,
                "surprise": 0.01,
            }
            for uid in uids
        ]
    )


def incident(uid: str, probability: float = 0.5) -> StoredIncident:
    """An incident with a small body."""
    return StoredIncident(
        uid, probability, START, START + timedelta(hours=1), True, {"title": f"story {uid}"}
    )


def full_commit(name: str, count: int = 20, start: datetime = START) -> Commit:
    """A commit that has some of everything; the same for the same name."""
    return Commit(
        batches=[
            BatchEntry(
                batch_id=name,
                source=f"logs/{name}.log",
                start=0,
                length=1000,
                sha256="ab" * 32,
                first_record=f"first-{name}",
                format="auth",
                format_version="1",
                records=count + 3,
                events=count,
                aggregated=2,
                rejected=1,
                head=b"the head of the file",
                modified=start,
            )
        ],
        tables={
            EventClass.AUTHENTICATION: events(name, count - 5, start),
            EventClass.NETWORK_ACTIVITY: events(f"{name}:n", 5, start + timedelta(days=1)).select(
                "time", "metadata.uid", "raw_data"
            ),
        },
        dead_letters=[DeadLetter(name, f"logs/{name}.log", 7, 9, "no time", b"\xff\x00junk")],
        findings=findings([f"f1-{name}", f"f2-{name}"]),
        incidents=[incident(f"i-{name}")],
        states={"rarity": {"seen": pl.DataFrame({"value": [name], "count": [count]})}},
        facts={"judged_until": start.isoformat()},
        entries=[{"type": "incident", "uid": f"i-{name}"}],
    )
