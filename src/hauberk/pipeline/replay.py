"""A decision computed again: from the record to the finding, and whether it is the same.

The records that a finding rests on are read from the original file where it still is what the
ledger says, from the lake otherwise; parsed again, judged again, and compared column by column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import polars as pl

from hauberk.detect import Detector
from hauberk.detect.sigma import SigmaDetector, Suppressions
from hauberk.errors import UsageError
from hauberk.events import EventBatch, EventGroup
from hauberk.ingest import Batch, Unreadable, find_inputs, format_named, parse_again, read_batches
from hauberk.store import BatchEntry, Home

from .interface import Silent
from .judging import judge_lake
from .modelled import model_judges
from .parsing import parse
from .rule_folders import known_rules
from .scan import judges
from .suppressions import suppressions_of


@dataclass(frozen=True, slots=True)
class Compared:
    """One thing that was computed again."""

    what: str
    same: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Replay:
    """A finding as it stands, as it was computed again, and each comparison."""

    finding: Mapping[str, object]
    again: Mapping[str, object] | None
    comparisons: Sequence[Compared]

    @property
    def same(self) -> bool:
        """Whether everything came out the same."""
        return all(one.same for one in self.comparisons)

    def as_json(self) -> dict[str, object]:
        """The replay for machines."""
        return {**asdict(self), "same": self.same}


def replay(home_path: Path, reference: str) -> Replay:
    """Compute a finding (its uid, or the start of it) again.

    A finding that was said again with more is taken as it was said last. `UID@COMMIT` names it as
    it stood after that commit.

    Raises UsageError where the home has no such finding.
    """
    with Home.open(home_path, read_only=True) as home:
        finding, number = _finding(home, reference)
        rules = known_rules(home.path, _rules(home))
        suppressions = Suppressions(suppressions_of(home))
        sigma = SigmaDetector(rules, suppressions=suppressions)
        fields, behaviour = judges(sigma, model_judges(home))
        detector = next(
            (one for one in [*fields, *behaviour] if one.spec.name == finding["detector"]), None
        )
        if detector is None:
            what = f"detector {finding['detector']}"
            return Replay(finding, None, [Compared(what, same=False, detail="not installed here")])
        comparisons = [_version(finding, detector)]
        evidence = [str(uid) for uid in _list(finding["evidence"])]
        said = []
        for batch_id in sorted({uid.partition(":")[0] for uid in evidence}):
            events, found, where = _again(home, batch_id, fields)
            comparisons += [where, _events(home, events, evidence, batch_id)]
            said.append(found)
        if detector in behaviour:
            said = [_judged(home, detector, number)]
        again = pl.concat(said).filter(pl.col("uid") == finding["uid"]).rows(named=True)
        if not again:
            missing = Compared("finding", same=False, detail="was not found again")
            return Replay(finding, None, [*comparisons, missing])
        # Several batches may have said it, each with more; what is stored is the word of one.
        row = next((one for one in again if _told(one) == _told(finding)), again[-1])
        return Replay(finding, row, [*comparisons, *_columns(finding, row)])


def _finding(home: Home, reference: str) -> tuple[dict[str, object], int]:
    """The finding that is meant, and the number of the commit in which it was said so."""
    start, _, after = reference.partition("@")
    before = int(after) + 1 if after.isdecimal() and len(after) < 19 else None
    if after and before is None:
        raise UsageError(f"{after!r} is no number of a commit", hint="Write it as UID@3")
    found = home.records.scan_findings().filter(pl.col("uid").str.starts_with(start))
    if before is not None:
        found = found.filter(pl.col("commit") < before)
    uids = found.select("uid").unique().collect()["uid"]
    if len(uids) != 1:
        many = f"{len(uids)} findings begin" if len(uids) else "no finding begins"
        raise UsageError(
            f"{many} with {reference!r}", hint="`hauberk show INCIDENT` lists the uids of findings"
        )
    finding = home.records.finding(str(uids[0]), before)
    number = home.records.finding_commit(str(uids[0]), before)
    if finding is None or number is None:
        raise UsageError(f"the finding {uids[0]} is gone", hint="Run `hauberk verify`")
    return finding, number


def _rules(home: Home) -> list[Path]:
    """Rule folders that the home's newest scan was given, where they are still there."""
    facts = [one.facts["rules"] for one in home.records.commits() if "rules" in one.facts]
    return [Path(str(path)) for path in _list(facts[-1])] if facts else []


def _list(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _version(finding: Mapping[str, object], detector: Detector) -> Compared:
    was, now = str(finding["detector_version"]), detector.spec.version
    detail = was if was == now else f"was {was}, is {now}"
    return Compared(f"version of {detector.spec.name}", same=was == now, detail=detail)


def _again(
    home: Home, batch_id: str, fields: Sequence[Detector]
) -> tuple[EventBatch, pl.DataFrame, Compared]:
    """Parse and judge a batch anew, from its file or, failing that, from the lake."""
    entry = home.records.batch(batch_id)
    if entry is None:
        raise UsageError(f"the batch {batch_id} is not stored", hint="Run `hauberk verify`")
    original = _original(entry)
    if original is not None:
        parsing = parse(original, fields)
        detail = f"{entry.length:,} bytes at {entry.start:,}, sha256 {entry.sha256[:16]}…"
        where = Compared(f"original {entry.source}", same=True, detail=detail)
        return EventBatch(batch_id, parsing.tables), parsing.findings, where
    events = _from_lake(home, entry)
    found = pl.concat([one.judge(events, {})[0] for one in fields])
    detail = "no longer there as it was read; its records were taken from the lake"
    return events, found, Compared(f"original {entry.source}", same=True, detail=detail)


def _original(entry: BatchEntry) -> Batch | None:
    """The batch cut again from its file, where the file still is what the ledger says."""
    path = Path(entry.source.split("!/", 1)[0])
    if not path.is_file():
        return None
    for found in find_inputs([path]):
        if isinstance(found, Unreadable) or found.source != entry.source:
            continue
        for batch in read_batches(found, format_named(entry.format)):
            if isinstance(batch, Batch) and batch.batch_id == entry.batch_id:
                return batch
    return None


def _from_lake(home: Home, entry: BatchEntry) -> EventBatch:
    """The batch's events parsed again from the records that the lake keeps."""
    stored = pl.concat(
        [
            home.lake.scan(event_class, ["metadata.uid", "raw_data", "record.format"])
            .filter(pl.col("metadata.uid").str.starts_with(entry.batch_id))
            .collect()
            for event_class in home.lake.event_classes()
        ]
    )
    ordinal = pl.col("metadata.uid").str.split(":").list.get(1).cast(pl.Int64)
    stored = stored.sort(ordinal)
    format_name = str(stored["record.format"][0])
    parsed = parse_again(stored["raw_data"].to_list(), format_name, entry.head)
    groups = [
        _named(one.group, stored["metadata.uid"].gather(one.records)) for one in parsed.groups
    ]
    return EventBatch.from_groups(entry.batch_id, groups)


def _named(group: EventGroup, uids: pl.Series) -> EventGroup:
    return replace(group, events=group.events.with_columns(uids.alias("metadata.uid")))


def _events(home: Home, again: EventBatch, evidence: Sequence[str], batch_id: str) -> Compared:
    """Whether the evidence's events are what the lake holds, provenance aside."""
    wanted = [uid for uid in evidence if uid.startswith(batch_id)]
    different = 0
    for event_class, stored in home.lake.get(wanted).items():
        names = [
            name
            for name in stored.columns
            if name not in {"raw_data", "day", "commit"} and not name.startswith("record.")
        ]
        mine = again.events(event_class, names).filter(pl.col("metadata.uid").is_in(wanted))
        left = stored.select(names).sort("metadata.uid")
        different += left.height if not left.equals(mine.sort("metadata.uid")) else 0
    detail = f"{len(wanted):,} of evidence parsed again" if not different else f"{different} differ"
    return Compared("events", same=not different, detail=detail)


def _judged(home: Home, detector: Detector, number: int) -> pl.DataFrame:
    """What the detector says of the lake from the state it stood in before that commit."""
    facts = next((one.facts for one in home.records.commits() if one.number == number), {})
    commits = (_number(facts.get("judged_from")), _number(facts.get("judged")))
    before = {detector.spec.name: home.records.state(detector.spec.name, before_commit=number)}
    return judge_lake(home, [detector], before, commits, Silent()).findings


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _told(finding: Mapping[str, object]) -> dict[str, object]:
    """A finding without the version of who says it, which is compared by itself."""
    return {name: value for name, value in finding.items() if name != "detector_version"}


def _columns(finding: Mapping[str, object], again: Mapping[str, object]) -> list[Compared]:
    return [
        Compared(
            name,
            same=finding[name] == again[name],
            detail=str(again[name])[:120]
            if finding[name] == again[name]
            else f"was {str(finding[name])[:200]}, is {str(again[name])[:200]}",
        )
        for name in _told(finding)
    ]
