"""Sigma rules as a detector: rows that rules fire on, told as findings."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from math import log2
from pathlib import Path

import polars as pl

from hauberk.detect import DetectorSpec, State
from hauberk.events import (
    MAX_EVIDENCE,
    TIME,
    EntityKind,
    EventBatch,
    EventGroup,
    FindingKind,
    LogKey,
    entity,
    entity_column,
    finding_uid,
    findings_frame,
    no_findings,
)

from .columns import read
from .correlation import hits_frame, joined_hits
from .correlation.linking import wanted_fields
from .engine import Engine
from .explain import Reason, explain
from .loading import built_in_rules
from .predicate import value_text
from .program import PROGRAM_VERSION, Rule, RuleSet
from .suppression import Suppression, Suppressions
from .taxonomy import Selector, Taxonomy

SEVERITIES = {"informational": 1, "low": 2, "medium": 3, "high": 4, "critical": 5}
"""OCSF severity_id by level."""

PRIORS = {"informational": 0.5, "low": 0.1, "medium": 0.02, "high": 0.002, "critical": 0.0002}
"""p-value of a firing by level, until a base rate has been learned here.

Rules of one level fire about a tenth as often on ordinary days as those of the level below.
"""

_UNPROVEN = {"experimental"}
_NOTCH = 10**0.5
"""How much more often a rule that nobody has proven fires: half of the step between levels."""

_HOST = ("device.hostname", "device.ip")
_USER = ("actor.user.name", "user.name")
_OTHERS: tuple[tuple[EntityKind, str], ...] = (
    (EntityKind.PRINCIPAL, "actor.user.uid"),
    (EntityKind.PROCESS, "process.file.path"),
    (EntityKind.PROCESS, "actor.process.file.path"),
    (EntityKind.IP, "src_endpoint.ip"),
    (EntityKind.IP, "dst_endpoint.ip"),
    (EntityKind.DOMAIN, "query.hostname"),
    (EntityKind.DOMAIN, "http_request.url.hostname"),
    (EntityKind.FILE, "file.path"),
)
_SHOWN = 120
_WINDOW = "1h"
_COLUMNS = ("metadata.uid", "time", *_HOST, *_USER, *dict.fromkeys(c for _, c in _OTHERS))


class SigmaDetector:
    """Judges events as they were parsed against a rule set; keeps no state.

    One finding tells what one rule saw on one host by one user within one hour of the batch.
    """

    spec: DetectorSpec

    def __init__(
        self,
        rules: RuleSet,
        taxonomy: Taxonomy | None = None,
        suppressions: Suppressions | None = None,
    ) -> None:
        self._engine = Engine(rules, taxonomy)
        self._wanted = wanted_fields(rules.correlations)
        self._silent = [n for n, rule in enumerate(rules.rules) if rule.silent]
        self._correlated = [n for n, rule in enumerate(rules.rules) if rule.uid in self._wanted]
        self.suppress(suppressions or Suppressions())

    def suppress(self, suppressions: Suppressions) -> None:
        """Judge what comes from now on under these suppressions, and no others."""
        self._suppressions = suppressions
        self._by_uid = {one.uid: one for one in suppressions}
        parts = (
            PROGRAM_VERSION,
            self.rules.digest[:12],
            self._engine.taxonomy.digest,
            suppressions.digest[:8],
        )
        self.spec = DetectorSpec(
            name="sigma",
            version="-".join(part for part in parts if part),
            kind=FindingKind.RULE,
            title="Sigma rules",
            reads_fields=True,
        )

    @property
    def rules(self) -> RuleSet:
        """The rules it judges by."""
        return self._engine.rules

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings of this batch, and its hits for correlations; the state as it came without."""
        firings = self._firings(batch)
        if firings is None:
            return no_findings(), state
        if self._correlated:
            told = pl.col("rule").is_in(self._correlated) & (pl.col("suppressed") == "")
            hits = self._hits(batch, firings.filter(told))
            state = {"hits": hits} if hits.height else state
            firings = firings.filter(~pl.col("rule").is_in(self._silent))
        rows = [self._finding(batch, row) for row in _collapsed(firings)]
        return findings_frame(rows), state

    def _hits(self, batch: EventBatch, firings: pl.DataFrame) -> pl.DataFrame:
        """What correlations read of the firings: one row each, the fields that they ask for."""
        frames = []
        firings = firings.with_columns(_entity_lists(firings))
        for (number, group_number), part in firings.group_by(
            ["rule", "group"], maintain_order=True
        ):
            rule = self.rules.rules[_integer(number)]
            group = batch.groups[_integer(group_number)]
            selector = self._selector(_integer(number), group.key)
            at = part["row"].to_list()
            columns = {
                name: None
                if (held := read(group.fields, selector.source(name))) is None
                else [_field_text(held[row]) for row in at]
                for name in self._wanted[rule.uid]
            }
            frames.append(
                hits_frame(
                    [rule.uid] * len(at),
                    part["time"],
                    part["metadata.uid"],
                    part["entities"],
                    {name: column for name, column in columns.items() if column is not None},
                )
            )
        return joined_hits(frames)

    def _firings(self, batch: EventBatch) -> pl.DataFrame | None:
        """One row a firing: group, row, rule, and the columns that findings are made of."""
        parts: list[pl.DataFrame] = []
        groups: list[int] = []
        rows: list[int] = []
        fired: list[int] = []
        for number, group in enumerate(batch.groups):
            at: list[int] = []
            for row, rules in self._engine.match(group.key, group.fields):
                at.extend([row] * len(rules))
                fired.extend(rules)
            if at:
                rows += at
                groups += [number] * len(at)
                parts.append(_gathered(group.events, at))
        if not parts:
            return None
        # All else is done once for the batch: groups are many and their firings few.
        frame = pl.concat(parts, how="diagonal")
        frame = frame.hstack(
            [
                pl.Series(name, [None], TIME if name == "time" else pl.String).new_from_index(
                    0, len(rows)
                )
                for name in _COLUMNS
                if name not in frame.columns
            ]
        )
        uids = [f"{batch.batch_id}:{one}:{row}" for one, row in zip(groups, rows, strict=True)]
        return frame.select(
            pl.Series("group", groups, pl.Int64),
            pl.col("row"),
            pl.Series("rule", fired, pl.Int64),
            self._suppressed(batch, groups, rows, fired, frame["time"]),
            pl.coalesce("metadata.uid", pl.Series("uid", uids, pl.String)).alias("metadata.uid"),
            *(pl.col(name) for name in _COLUMNS if name != "metadata.uid"),
            _first_entity(frame, EntityKind.HOST, _HOST).alias("host"),
            _first_entity(frame, EntityKind.USER, _USER).alias("user"),
        )

    def _suppressed(
        self,
        batch: EventBatch,
        groups: Sequence[int],
        rows: Sequence[int],
        fired: Sequence[int],
        times: pl.Series,
    ) -> pl.Series:
        """Uid of the suppression that each firing falls under, or ""."""
        if not self._by_uid:
            return pl.Series("suppressed", [""]).new_from_index(0, len(rows))
        firings = zip(groups, rows, fired, times, strict=True)
        hiding = [
            self._hiding(rule, row, time, batch.groups[group]) for group, row, rule, time in firings
        ]
        return pl.Series("suppressed", hiding, pl.String)

    def _hiding(self, number: int, row: int, time: object, group: EventGroup) -> str:
        """Uid of the suppression that a firing falls under, or ""."""
        rule = self.rules.rules[number]
        if not self._suppressions.concerns(rule.uid):
            return ""
        found = self._suppressions.hiding(
            rule.uid,
            time if isinstance(time, datetime) else None,
            group.fields.row(row),
            self._selector(number, group.key),
        )
        return found.uid if found else ""

    def _finding(self, batch: EventBatch, row: dict[str, object]) -> dict[str, object]:
        rule = self.rules.rules[_integer(row["rule"])]
        group = batch.groups[_integer(row["group"])]
        reasons = self._reasons(_integer(row["rule"]), group, _integer(row["row"]))
        surprise = prior(rule)
        evidence = [str(uid) for uid in _sequence(row["metadata.uid"])]
        count = _integer(row["count"])
        bits = -log2(surprise) / max(1, len(reasons))
        host, user = _text(row["host"]), _text(row["user"])
        told = [{"text": f"{r.field} {r.pattern}", "value": r.value, "bits": bits} for r in reasons]
        hidden = self._by_uid.get(str(row["suppressed"]))
        if hidden is not None:
            surprise = 1.0
            told = [{**one, "bits": 0.0} for one in told] + [_silenced(hidden)]
        parts = (rule.uid, host or "", user or "", *([hidden.uid] if hidden else ()))
        return {
            "uid": finding_uid(self.spec.name, *parts, *evidence),
            "time": row["time"],
            "end_time": row["end_time"],
            "detector": self.spec.name,
            "detector_version": self.spec.version,
            "kind": str(FindingKind.SUPPRESSED if hidden else self.spec.kind),
            "rule_uid": rule.uid,
            "title": rule.title,
            "message": message(rule, reasons, host, user, count),
            "severity_id": SEVERITIES.get(rule.level, 3),
            "techniques": list(rule.techniques),
            "entities": _entities(row, host, user),
            "evidence": evidence,
            "count": count,
            "surprise": surprise,
            "reasons": told,
        }

    def _reasons(self, rule: int, group: EventGroup, row: int) -> list[Reason]:
        selector = self._selector(rule, group.key)
        return explain(self.rules, self.rules.rules[rule], group.fields.row(row), selector)

    def _selector(self, rule: int, key: LogKey) -> Selector:
        return self._engine.selector(rule, key) or Selector()


def sigma_detector(rules: RuleSet | None = None, *, cache: Path | None = None) -> SigmaDetector:
    """The detector over the given rules, or over those that come with Hauberk."""
    return SigmaDetector(rules if rules is not None else built_in_rules(cache))


def _silenced(suppression: Suppression) -> dict[str, object]:
    """Why a finding is part of no incident."""
    text = f"suppressed by {suppression.owner} until {suppression.until:%Y-%m-%d}"
    return {"text": f"{text}: {suppression.reason}", "value": suppression.uid, "bits": 0.0}


def prior(rule: Rule) -> float:
    """p-value of the rule's firing before anything was learned here."""
    return prior_of(rule.level, rule.status)


def prior_of(level: str, status: str) -> float:
    """p-value of a firing at a level, half a step higher where nobody has proven the rule."""
    value = PRIORS.get(level, PRIORS["medium"])
    return min(0.9, value * _NOTCH) if status in _UNPROVEN else value


def message(
    rule: Rule, reasons: Sequence[Reason], host: str | None, user: str | None, count: int
) -> str:
    """One sentence: what was seen, where, by whom, how often."""
    place = f" on {host.partition(':')[2]}" if host else ""
    person = f" by {user.partition(':')[2]}" if user else ""
    times = f", {count} times within the hour" if count > 1 else ""
    # The longest value tells most: a command line rather than the image that it names again.
    shown = max(reasons, key=lambda reason: len(reason.value), default=None)
    seen = f": {shown.field} “{_clipped(shown.value)}”" if shown and shown.value else ""
    return f"{rule.title}{place}{person}{times}{seen}"


def _clipped(value: str) -> str:
    """A value as one short line."""
    line = " ".join(value.split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"


def _collapsed(firings: pl.DataFrame) -> Iterable[dict[str, object]]:
    """Firings joined per rule, host, user and hour, in the order of their first event."""
    keys = ["rule", "suppressed", "host", "user", pl.col("time").dt.truncate(_WINDOW).alias("hour")]
    return (
        firings.sort("time", "group", "row", nulls_last=True)
        .group_by(keys, maintain_order=True)
        .agg(
            pl.col("metadata.uid").head(MAX_EVIDENCE),
            pl.len().alias("count"),
            pl.col("time").max().alias("end_time"),
            pl.col("time").min(),
            pl.col("group", "row").first(),
            *(pl.col(name).drop_nulls().first() for name in dict(_OTHERS_BY_COLUMN)),
        )
        .iter_rows(named=True)
    )


_OTHERS_BY_COLUMN = {column: kind for kind, column in _OTHERS}


def _gathered(events: pl.DataFrame, rows: list[int]) -> pl.DataFrame:
    """The rows' numbers and those columns of theirs that findings are made of."""
    have = [name for name in _COLUMNS if name in events.columns]
    columns = events[rows, have].get_columns() if have else []
    return pl.DataFrame([pl.Series("row", rows, pl.Int64), *columns])


def _first_entity(frame: pl.DataFrame, kind: EntityKind, columns: Sequence[str]) -> pl.Expr:
    return pl.coalesce(entity_column(kind, frame[column]) for column in columns)


def _entity_lists(firings: pl.DataFrame) -> pl.Series:
    """What `_entities` says, of every firing."""
    spelled = [firings["host"], firings["user"]]
    for column, kind in _OTHERS_BY_COLUMN.items():
        values = firings[column].cast(pl.String)
        if kind is EntityKind.PRINCIPAL:
            arns = values.str.starts_with("arn:").fill_null(value=False)
            values = values.zip_with(
                arns, pl.Series([None], dtype=pl.String).new_from_index(0, len(values))
            )
        spelled.append(entity_column(kind, values))
    frame = pl.DataFrame([one.alias(str(number)) for number, one in enumerate(spelled)])
    lists = pl.concat_list(pl.all()).list.drop_nulls().list.unique(maintain_order=True)
    return frame.select(lists.alias("entities")).to_series()


def _entities(row: dict[str, object], host: str | None, user: str | None) -> list[str]:
    found = [host, user]
    for column, kind in _OTHERS_BY_COLUMN.items():
        # A SID or uid names the same account as the user; an ARN is a principal of its own.
        value = _text(row[column])
        if kind is EntityKind.PRINCIPAL and not (value or "").startswith("arn:"):
            continue
        found.append(entity(kind, value))
    return list(dict.fromkeys(one for one in found if one))


def _field_text(value: object) -> str | None:
    """A field as correlations compare it; elements of a list are joined."""
    if isinstance(value, list | tuple):
        return ", ".join(text for one in value if (text := value_text(one)) is not None) or None
    return value_text(value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"an integer was expected, not {value!r}")
    return value


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else ()
