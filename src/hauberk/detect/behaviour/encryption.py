"""Mass encryption: many documents that take one strange ending, at the pace of a machine.

What encrypts a share must touch every file and leave a mark that its owner can sell: the document's
name with something behind it. One program or one client that gives the same new ending to many
documents within minutes is told at 16 of them, 64, 256 and so on, wherever the batch ends.
"""

from dataclasses import dataclass

import polars as pl

from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import (
    MAX_EVIDENCE,
    EntityKind,
    EventBatch,
    EventClass,
    FindingKind,
    entity_column,
    finding_uid,
    findings_frame,
    no_findings,
)

WINDOW_US = 10 * 60 * 1_000_000
"""Length of a window in microseconds; files of one campaign in two windows count in each."""

FIRST = 16
"""Documents with one new ending in a window before anything is said."""

GROWTH = 4
"""Factor between the counts at which the same is said again, more strongly."""

SURPRISE = {1: 2e-4, 4: 2e-5, 16: 2e-6}
"""p by multiple of FIRST: a documented judgement of how often anything but an encryptor does so."""

MAX_OPEN = 50_000
"""Counts that are kept between batches; beyond, the smallest leave."""

_DOCUMENT = (
    "docx?|docm|xlsx?|xlsm|pptx?|pdf|txt|csv|rtf|odt|ods|jpe?g|png|gif|bmp|tiff?|psd|dwg|vsdx?|msg"
    "|pst|eml|mp3|mp4|mov|avi|wav|sql|mdf|ldf|mdb|accdb|sqlite|vmdk|vhdx?|bak|zip|7z|rar|tar|gz"
    "|py|java|cs|cpp|html?|xml|json|ps1|key|pem|kdbx|one"
)
_NAME = rf"(?i)\.(?:{_DOCUMENT})\.([^.\\/\s]{{2,32}})$"
_ORDINARY = [
    "lnk", "tmp", "temp", "bak", "old", "orig", "swp", "lock", "part", "partial", "crdownload",
    "download", "gz", "zip", "7z", "bz2", "xz", "zst", "log", "mui", "meta", "sig", "asc", "gpg",
    "pgp", "sha256", "md5", "url", "htm", "html", "xml", "json", "txt", "config", "manifest",
    "cache", "journal", "wal", "shm", "filepart", "lck", "ini", "dat",
]  # fmt: skip
"""Endings that ordinary programs put behind a document's own."""

_COLUMNS = ("time", "metadata.uid", "device.hostname", "actor.user.name", "file.path")
_KEY = ["subject", "ending", "window"]
_OPEN = pl.Schema(
    {"subject": pl.String(), "ending": pl.String(), "window": pl.Int64(), "count": pl.Int64()}
)


SPEC = DetectorSpec(
    name="mass-encryption",
    version="1",
    kind=FindingKind.RARITY,
    title="Documents that take one strange ending in great number",
    columns={
        EventClass.FILE_ACTIVITY: (*_COLUMNS, "actor.process.file.path"),
        EventClass.SMB_ACTIVITY: (*_COLUMNS, "src_endpoint.ip", "dst_endpoint.ip"),
    },
)


@dataclass(frozen=True, slots=True)
class EncryptionDetector:
    """Counts documents by who changed them, the ending they took, and the window."""

    spec: DetectorSpec = SPEC

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings of this batch and the counts after it."""
        rows = pl.concat([self._rows(batch, each) for each in self.spec.columns]).sort("us", "uid")
        if rows.is_empty():
            return no_findings(), state
        before = state.get("open", pl.DataFrame(schema=_OPEN))
        counted = rows.join(before, on=_KEY, how="left", maintain_order="left").with_columns(
            (pl.int_range(1, pl.len() + 1).over(_KEY) + pl.col("count").fill_null(0)).alias("n")
        )
        after = (
            pl.concat([before, counted.group_by(_KEY).agg(pl.col("n").max().alias("count"))])
            .group_by(_KEY)
            .agg(pl.col("count").max())
            .filter(pl.col("window") >= pl.lit(rows["window"].max()) - 1)
            .top_k(MAX_OPEN, by="count")
            .sort(_KEY)
        )
        return self._told(counted), {"open": after.select(_OPEN.names())}

    def _rows(self, batch: EventBatch, event_class: EventClass) -> pl.DataFrame:
        events = batch.events(event_class, self.spec.columns[event_class])
        smb = event_class is EventClass.SMB_ACTIVITY
        host = entity_column(EntityKind.HOST, events["device.hostname"])
        target = entity_column(EntityKind.IP, events["dst_endpoint.ip"]) if smb else host
        process = events["src_endpoint.ip" if smb else "actor.process.file.path"]
        kind = EntityKind.IP if smb else EntityKind.PROCESS
        return (
            events.select(
                pl.col("time").dt.epoch("us").alias("us"),
                "time",
                pl.col("metadata.uid").alias("uid"),
                pl.col("file.path").alias("path"),
                pl.col("file.path").str.extract(_NAME).str.to_lowercase().alias("ending"),
                (target if smb else host).alias("place"),
                entity_column(EntityKind.USER, events["actor.user.name"]).alias("user"),
                entity_column(kind, process).alias("by"),
            )
            .filter(pl.col("ending").is_not_null(), ~pl.col("ending").is_in(_ORDINARY))
            .drop_nulls("us")
            .with_columns(
                pl.concat_str("by", "place", separator=" ", ignore_nulls=True).alias("subject"),
                (pl.col("us") // WINDOW_US).alias("window"),
            )
        )

    def _told(self, counted: pl.DataFrame) -> pl.DataFrame:
        steps = [FIRST * GROWTH**power for power in range(12)]
        crossing = counted.filter(pl.col("n").is_in(steps))
        told = []
        for row in crossing.iter_rows(named=True):
            mine = counted.filter(
                *(pl.col(key) == row[key] for key in _KEY), pl.col("n") <= row["n"]
            )
            told.append(self._finding(row, mine))
        return findings_frame(told) if told else no_findings()

    def _finding(self, row: dict[str, object], mine: pl.DataFrame) -> dict[str, object]:
        number, ending = int(str(row["n"])), str(row["ending"])
        who = str(row["by"] or row["place"] or "somebody").partition(":")[2] or "somebody"
        where = str(row["place"] or "").partition(":")[2]
        place = f" on {where}" if where and where != who else ""
        multiple = max(step for step in SURPRISE if number >= FIRST * step)
        entities = [row["place"], row["user"], row["by"]]
        return {
            "uid": finding_uid(
                self.spec.name, f"ending-{number}", str(row["subject"]), ending, str(row["window"])
            ),
            "time": mine["time"].min(),
            "end_time": row["time"],
            "detector": self.spec.name,
            "detector_version": self.spec.version,
            "kind": str(self.spec.kind),
            "rule_uid": "documents-take-one-ending",
            "title": "Many documents took one strange ending",
            "message": (
                f"{who} gave {number:,} documents{place} the ending .{ending} within ten minutes"
            ),
            "severity_id": 5,
            "techniques": ["T1486"],
            "entities": list(dict.fromkeys(one for one in entities if one)),
            "evidence": mine["uid"].tail(MAX_EVIDENCE).to_list(),
            "count": number,
            "surprise": SURPRISE[multiple],
            "reasons": [
                {"text": "documents with the same new ending", "value": str(number), "bits": None},
                {"text": "for instance", "value": str(row["path"]), "bits": None},
            ],
        }


def detector() -> EncryptionDetector:
    """The detector, as its entry point makes it."""
    return EncryptionDetector()
