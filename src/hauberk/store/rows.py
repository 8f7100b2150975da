"""What a commit becomes in rows, in ledger entries, and in the digests that vouch for them."""

import hashlib
import json
from collections.abc import Mapping, Sequence

import polars as pl

from . import ledger, tables
from .commit import BatchEntry, DeadLetter, StoredIncident, storable


def as_json(value: object) -> str:
    """JSON as the records database keeps it: keys in order, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def letters_frame(letters: Sequence[DeadLetter]) -> pl.DataFrame:
    """Dead letters as a frame, one row a letter."""
    return pl.DataFrame(
        {
            "batch_id": [storable(letter.batch_id) for letter in letters],
            "source": [storable(letter.source) for letter in letters],
            "offset": [letter.offset for letter in letters],
            "length": [letter.length for letter in letters],
            "reason": [storable(letter.reason) for letter in letters],
            "bytes": [letter.bytes for letter in letters],
        },
        schema=DEAD_LETTER_SCHEMA,
    )


DEAD_LETTER_SCHEMA = pl.Schema(
    {
        "batch_id": pl.String(),
        "source": pl.String(),
        "offset": pl.Int64(),
        "length": pl.Int64(),
        "reason": pl.String(),
        "bytes": pl.Binary(),
    }
)


def letter_digests(letters: Sequence[DeadLetter]) -> dict[str, str]:
    """By batch, a digest of its dead letters: place, reason and digest of the bytes, in order."""
    digests: dict[str, hashlib._Hash] = {}
    for letter in letters:
        digest = digests.setdefault(letter.batch_id, hashlib.sha256())
        content = hashlib.sha256(letter.bytes).hexdigest()
        place = f"{letter.offset} {letter.length} {content} {storable(letter.reason)}\n"
        digest.update(place.encode())
    return {batch: digest.hexdigest() for batch, digest in digests.items()}


def batch_facts(batch: BatchEntry, number: int, letters: str) -> dict[str, object]:
    """A batch as the ledger names it."""
    return {
        "type": "batch",
        "commit": number,
        "batch_id": batch.batch_id,
        "source": storable(batch.source),
        "start": batch.start,
        "length": batch.length,
        "sha256": batch.sha256,
        "first_record": batch.first_record,
        "format": batch.format,
        "format_version": batch.format_version,
        "records": batch.records,
        "events": batch.events,
        "aggregated": batch.aggregated,
        "rejected": batch.rejected,
        "head_sha256": hashlib.sha256(batch.head).hexdigest(),
        "modified": None if batch.modified is None else tables.to_micros(batch.modified),
        "dead_letters": letters,
    }


def incident_rows(incidents: Sequence[StoredIncident], number: int) -> list[dict[str, object]]:
    """Incidents as rows of the records database."""
    return [
        {
            "uid": storable(incident.uid),
            "number": number,
            "position": position,
            "probability": float(incident.probability),
            "start": tables.to_micros(incident.start),
            "end": tables.to_micros(incident.end),
            "above_budget": bool(incident.above_budget),
            "body": ledger.canonical(incident.body).decode(),
        }
        for position, incident in enumerate(incidents)
    ]


def row_digest(row: Mapping[str, object]) -> str:
    """SHA-256 of a row of the records database."""
    return hashlib.sha256(as_json(dict(row)).encode()).hexdigest()
