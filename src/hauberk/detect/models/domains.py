"""Names that a program made up, by the models that may judge domains here: per host and hour.

Each registered domain is scored once per batch. One odd name means nothing where thousands are
asked for, so what is told is a host that asks within an hour for several: `k` of `n` distinct
domains lie above the threshold, where the model's calibration promises a share `q` of ordinary
ones, or what this network's earlier hours showed if that is more. The larger of two answers is the
p-value: P(X >= k) for X ~ Binomial(n, q), and (k / LEAST)^-4, since the names of one service
(content delivery, trackers) come in families and not one by one.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

from hauberk.detect.calibration import binomial_tail_bits
from hauberk.detect.interface import DetectorSpec, State
from hauberk.detect.network.flows import HOUR_US, subject
from hauberk.detect.network.names import split_names
from hauberk.events import (
    TIME,
    EntityKind,
    EventBatch,
    EventClass,
    FindingKind,
    entity,
    no_findings,
)

from .counting import TOLD, added, held_to_day, silenced, told_of, with_told
from .panel import Panel, Seat, Verdicts
from .saying import EXPLAINED, Word, finding, is_limited, reason, said

NAME = "model-domain"
LEAST = 3
"""Domains above the threshold that are said of a host and hour at least."""

WORTH = 0.05
"""Largest p-value that is told."""

PRIOR = 1000
"""Ordinary domains that the model's own calibration counts for against this network's record."""

MAX_OPEN = 500_000
_SHOWN = 3

COLUMNS = (
    "time", "metadata.uid", "device.hostname", "src_endpoint.ip", "dst_endpoint.port",
    "query.hostname",
)  # fmt: skip
_BESIDE = (137, 5353, 5355)  # names of the neighbourhood: NetBIOS, mDNS, LLMNR

_OPEN = pl.Schema(
    {
        "digest": pl.String(),
        "subject": pl.String(),
        "hour": pl.Int64(),
        "domain": pl.String(),
        "us": pl.Int64(),
        "uid": pl.String(),
        "score": pl.Float64(),
        "flagged": pl.Boolean(),
    }
)
_BASE = pl.Schema(
    {"digest": pl.String(), "hour": pl.Int64(), "judged": pl.Int64(), "flagged": pl.Int64()}
)
_KEY = ["digest", "subject", "hour"]


class DomainModels:
    """Judges what each host asks the DNS for, by the hour."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        self.spec = DetectorSpec(
            name=NAME,
            version=panel.version,
            kind=FindingKind.MODEL,
            title="Hosts that ask for names a program made up",
            columns={EventClass.DNS_ACTIVITY: COLUMNS},
        )

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings of this batch and the state after it."""
        rows = asked(batch)
        if not rows.height:
            return no_findings(), state
        opened = state.get("open", pl.DataFrame(schema=_OPEN))
        base = state.get("base", pl.DataFrame(schema=_BASE))
        told, made, quiet = told_of(state), [no_findings()], []
        after, tallies, inputs, queries = [], [], [], []
        for seat in self.panel.seats:
            mine = rows.filter(pl.Series(self.panel.assigned(seat, rows["subject"])))
            before = opened.filter(pl.col("digest") == seat.loaded.digest)
            keys = ["subject", "hour", "domain"]
            fresh = mine.join(before, on=keys, how="anti", maintain_order="left")
            if not fresh.height:
                after.append(before)
                continue
            verdicts, judged = self._judged(seat, fresh)
            days = judged["us"].cast(TIME).dt.date()
            by_row = _of_rows(verdicts, judged)
            tallies.append(by_row.counted(days))
            inputs.append(by_row.inputs(days))
            queries.append(by_row.queries(days, judged["subject"]))
            whole = pl.concat([before, judged.select(_OPEN.names())])
            found = said(_findings(seat, whole, judged, base))
            answered = held_to_day(seat, found, told)
            if is_limited(seat):
                told = with_told(told, seat, answered)
                quiet.append(silenced(seat, answered))
            made.append(answered)
            base = _with_base(base, judged)
            after.append(whole)
        kept = {**state, "open": _still_open(after), "base": base, TOLD: told}
        return pl.concat(made), added(kept, [*tallies, *quiet], inputs, queries)

    def _judged(self, seat: Seat, fresh: pl.DataFrame) -> tuple[Verdicts, pl.DataFrame]:
        """Each distinct domain once; and the rows (_OPEN) with what was said of theirs."""
        names = fresh["domain"].unique(maintain_order=True)
        alone = Panel((seat,), self.panel.clock)
        (verdicts,) = alone.judge(names.to_list(), names)
        table = pl.DataFrame(
            {
                "domain": names,
                "at": np.arange(len(names)),
                "score": verdicts.scores,
                "flagged": verdicts.flagged,
            }
        )
        joined = fresh.join(table, on="domain", how="left", maintain_order="left")
        return verdicts, joined.with_columns(pl.lit(seat.loaded.digest).alias("digest"))


def asked(batch: EventBatch) -> pl.DataFrame:
    """Registered domains by who asked (subject) and hour, each once: its first query."""
    raw = batch.events(EventClass.DNS_ACTIVITY, COLUMNS).filter(
        pl.col("time").is_not_null()
        & pl.col("src_endpoint.ip").is_not_null()
        & ~pl.col("dst_endpoint.port").is_in(_BESIDE).fill_null(value=False)
    )
    split = split_names(raw["query.hostname"]).select("query", "domain")
    rows = raw.join(split, left_on="query.hostname", right_on="query", maintain_order="left")
    asker = ["src_endpoint.ip", "device.hostname"]
    pairs = rows.select(asker).unique()
    names = pairs.with_columns(
        pl.Series("subject", [subject(src, host) for src, host in pairs.rows()], dtype=pl.String)
    )
    return (
        rows.join(names, on=asker, nulls_equal=True, maintain_order="left")
        .select(
            "subject",
            (pl.col("time").dt.timestamp("us") // HOUR_US).alias("hour"),
            "domain",
            pl.col("time").dt.timestamp("us").alias("us"),
            pl.col("metadata.uid").alias("uid"),
        )
        .drop_nulls("subject")
        .sort("us", "uid")
        .unique(["subject", "hour", "domain"], keep="first", maintain_order=True)
    )


def _of_rows(verdicts: Verdicts, judged: pl.DataFrame) -> Verdicts:
    """The verdicts of distinct domains, a row each host, hour and domain."""
    at = judged["at"].to_numpy()
    matrix = verdicts.matrix
    return Verdicts(
        verdicts.seat, np.arange(len(at)), judged["domain"].to_list(), verdicts.scores[at],
        verdicts.p_values[at],
        verdicts.milliseconds * len(verdicts.rows) / len(at),
        None if matrix is None else matrix.take(at),
    )  # fmt: skip


def _findings(
    seat: Seat, whole: pl.DataFrame, judged: pl.DataFrame, base: pl.DataFrame
) -> list[dict[str, object]]:
    """Hosts and hours of the fresh rows that are worth telling, with all that is known of them."""
    counts = (
        whole.join(judged.select(_KEY).unique(), on=_KEY, how="semi")
        .group_by(_KEY)
        .agg(pl.len().alias("n"), pl.col("flagged").sum().cast(pl.Int64).alias("k"))
        .filter(pl.col("k") >= LEAST)
        .sort("hour", "subject")
    )
    if not counts.height:
        return []
    both = pl.concat([base, _hours(judged)])
    shares = {hour: _share(seat, both, hour) for hour in counts["hour"].unique().to_list()}
    parts = (
        whole.filter("flagged")
        .sort(["score", "domain"], descending=[True, False])
        .partition_by("subject", "hour", as_dict=True)
    )
    made: list[dict[str, object]] = []
    for row in counts.iter_rows(named=True):
        k, n, share = int(row["k"]), int(row["n"]), shares[row["hour"]]
        alone = 2.0 ** -float(binomial_tail_bits([k], [n], [share])[0])
        p = max(alone, (k / LEAST) ** -4)
        if p <= WORTH:
            shown = _SHOWN if len(made) < EXPLAINED else 0
            flagged = parts[row["subject"], row["hour"]]
            made.append(finding(NAME, seat, _word(seat, flagged, n, share, p, shown)))
    return made


def _word(seat: Seat, flagged: pl.DataFrame, n: int, share: float, p: float, shown: int) -> Word:
    who, k = str(flagged["subject"][0]), flagged.height
    domains: Sequence[str] = flagged["domain"].to_list()
    message = (
        f"{who.partition(':')[2]} asked within an hour for {k:,} domains that look made up by a "
        f"program, of {n:,}; {domains[0]} most of all."
    )
    reasons: list[dict[str, object]] = [
        {
            "text": f"of ordinary domains {share:.2%} look so",
            "value": f"{k:,} of {n:,}",
            "bits": 0.0,
        }
    ]
    why = seat.why(domains[:shown]) if shown else []
    for domain, parts in zip(domains, why, strict=False):
        reasons += [reason(part, f"{domain}: ") for part in parts[:_SHOWN]]
    times = flagged["us"].cast(TIME)
    return Word(
        title="Names that a model takes for made up",
        message=message,
        techniques=["T1568.002"],
        entities=[who, *(entity(EntityKind.DOMAIN, one) for one in domains[:5])],
        evidence=flagged.sort("us")["uid"].to_list(),
        since=times.min(),  # type: ignore[arg-type]  # there are k rows, each with a time
        until=times.max(),  # type: ignore[arg-type]
        count=k,
        p=p,
        name=f"{who}\0{flagged['hour'][0]}",
        reasons=reasons,
    )


def _share(seat: Seat, base: pl.DataFrame, hour: int) -> float:
    """The share of ordinary domains above the threshold: promised, or seen before that hour."""
    promised = seat.chance_at_threshold()
    own = base.filter(pl.col("digest") == seat.loaded.digest, pl.col("hour") < hour)
    judged, flagged = int(own["judged"].sum()), int(own["flagged"].sum())
    return max(promised, (promised * PRIOR + flagged) / (PRIOR + judged))


def _hours(judged: pl.DataFrame) -> pl.DataFrame:
    return (
        judged.group_by("digest", "hour")
        .agg(pl.len().cast(pl.Int64).alias("judged"), pl.col("flagged").sum().cast(pl.Int64))
        .select(_BASE.names())
    )


def _with_base(base: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    """Counts by hour with more; all but the newest two days as one row of their first hour."""
    both = pl.concat([base, _hours(judged)])
    edge = both["hour"].max()
    settled = pl.col("hour") < (int(edge) - 48 if isinstance(edge, int) else 0)
    return (
        both.with_columns(
            pl.when(settled).then(pl.col("hour").min().over("digest")).otherwise("hour")
        )
        .group_by("digest", "hour")
        .agg(pl.col("judged", "flagged").sum())
        .sort("digest", "hour")
    )


def _still_open(tables: list[pl.DataFrame]) -> pl.DataFrame:
    """What later events of the same hour are counted with: the newest hour and the one before."""
    rows = pl.concat([pl.DataFrame(schema=_OPEN), *tables])
    newest = rows["hour"].max()
    kept = rows.filter(pl.col("hour") >= (newest if isinstance(newest, int) else 0) - 1)
    return kept.tail(MAX_OPEN)
