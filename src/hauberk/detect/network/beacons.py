"""Beacons: a host that calls the same place on the Internet again and again, in a rhythm.

A pair is source, destination, protocol and port. At its 8th, 16th, 32nd ... connection its last
moments are judged (`regularity`). Regular is hardly ever chance, but mostly innocent: updaters,
telemetry and push channels call home in a rhythm too. So the p never falls below how often an
innocent pair is regular:

| destination | P(regular, innocent) |
|---|---|
| a web port or a service that is known to call home | 0.004 |
| a web port, near perfect, and nobody else calls there | 0.001 |
| any other port | 0.00005 |
| any other port, and most calls fail | 0.00002 |

Near perfect is at least `STEADY` connections within a tenth of the period, alike in size; nobody
else, where at least `ESTATE` sources were seen: what comes with a program is on more than one host.
It grows 3 times where sizes differ from call to call, and 30 times where three sources or more, and
a tenth of all, call the same destination; between two public addresses it is never below 0.004.
What this environment's own pairs do weighs in by `judgement`.
Resolvers and clocks are explained by their ports.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import MAX_EVIDENCE, EventBatch, FindingKind, findings_frame

from .flows import CALLING, DAY_US, FLOW_COLUMNS, REPLY, TO_MANY, flows, subject
from .judgement import Case, judged
from .regularity import rhythm
from .telling import Said, bits, finding, lasted

KEPT = 64
"""Connections of a pair that are remembered and judged."""

LEVELS = tuple(8 * 2**step for step in range(20))
MAX_MOMENTS = 300_000
MAX_USERS = 200_000
EPOCH = 1 << 17
FORGOTTEN_US = 7 * DAY_US
"""Moments and users that survive an eviction, and after how long a silent pair is forgotten."""

WEB = (80, 443, 8080, 8443)
_CLOCKS = (53, 67, 68, 123, 137, 138, 546, 547, 853, 1900, 5353, 5355)
INNOCENT, LONE, ODD, ODD_FAILED, UNSIDED = 0.004, 0.001, 5e-5, 2e-5, 0.004

STEADY, ESTATE = 32, 10
"""Connections that have to be near perfect, and sources that have to be known, for `LONE`."""

_MOMENTS = pl.Schema(
    {
        "key": pl.String(),
        "number": pl.Int64(),
        "us": pl.Int64(),
        "uid": pl.String(),
        "out": pl.Int64(),
        "failed": pl.Boolean(),
    }
)
_USERS = pl.Schema({"place": pl.String(), "src": pl.String(), "us": pl.Int64()})
_CLOCK = pl.Schema({"rows": pl.Int64(), "pairs": pl.Int64()})
_PAIR = pl.col("key").hash().alias("_pair")  # never stored: sorts and joins go by numbers
_SHOWN = (
    "key",
    "place",
    "us",
    "uid",
    "src",
    "dst",
    "port",
    "proto",
    "host",
    "app",
    "name",
    "out",
    "failed",
    "src_in",
)

_NEEDED = {*_SHOWN, *_MOMENTS}


class BeaconDetector:
    """Judges pairs by the rhythm of their connections."""

    spec = DetectorSpec(
        name="network-beacons",
        version="3",
        kind=FindingKind.NETWORK,
        title="Beacons",
        columns=FLOW_COLUMNS,
    )

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings of this batch and the state after it."""
        taken = flows(batch, state)
        after: dict[str, pl.DataFrame] = {**state, **taken.tables}
        rows = _calls(taken.rows)
        clock = state.get("clock", pl.DataFrame([(0, 0)], schema=_CLOCK, orient="row"))
        done = int(clock["rows"][0])
        found: list[dict[str, object]] = []
        begin = 0
        while begin < rows.height:
            length = EPOCH - (done + begin) % EPOCH
            part = rows.slice(begin, length)
            found.extend(self._judge_part(part, after))
            begin += length
            if part.height == length:
                after.update(_evicted(after))
        pairs = int(after["pairs"]["pairs"][0]) if "pairs" in after else 0
        after["clock"] = pl.DataFrame([(done + rows.height, pairs)], schema=_CLOCK, orient="row")
        return findings_frame(found), after

    def _judge_part(
        self, rows: pl.DataFrame, after: dict[str, pl.DataFrame]
    ) -> list[dict[str, object]]:
        """Findings of some calls; moves `after` on."""
        users = after.get("users", pl.DataFrame(schema=_USERS))
        fresh = rows.filter(pl.col("_pair").is_first_distinct()).select("place", "src", "us")
        fresh = fresh.join(users, on=["place", "src"], how="anti")
        after["users"] = users = pl.concat([users, fresh.sort("us", "place", "src")])
        moments, due = _due(rows, after.get("moments", pl.DataFrame(schema=_MOMENTS)))
        # In the order of pair and number: those that have so many of the same pair after them go.
        pair = pl.col("_pair")
        old = (pair == pair.shift(-KEPT)).fill_null(value=False)
        after["moments"] = moments.filter(~old).drop("_pair")
        before = int(after["pairs"]["pairs"][0]) if "pairs" in after else 0
        first = (due["number"] == LEVELS[0]).cast(pl.Int64).cum_sum()
        due = _weighed(due.with_columns((first + before).alias("population")), users)
        after["pairs"] = pl.DataFrame({"pairs": [before + int(first[-1] if len(first) else 0)]})
        cases = [
            Case(
                "odd" if row["odd"] else "usual",
                row["key"],
                row["us"] // DAY_US,
                row["model"],
                row["population"],
            )
            for row in due.iter_rows(named=True)
        ]
        ps, past = judged(cases, after)
        after.update(past)
        uids = moments["uid"]
        return [
            self._finding(row, p, uids)
            for row, p in zip(due.iter_rows(named=True), ps, strict=True)
            if p is not None
        ]

    def _finding(self, row: Mapping[str, object], p: float, uids: pl.Series) -> dict[str, object]:
        number, until = _whole(row["number"]), _whole(row["us"])
        shown = min(number, MAX_EVIDENCE, KEPT)
        evidence = uids.slice(_whole(row["at"]) - shown + 1, shown)
        since = _whole(row["since"])
        period, jitter = float(str(row["period"])), float(str(row["jitter"]))
        failing = bool(row["failing"])
        place = f"{row['dst']} port {row['port']}/{row['proto']}"
        name = f" ({row['name']})" if row["name"] else ""
        failed = ", and most calls fail" if failing else ""
        return finding(
            Said(
                rule_uid="network.beacon-failed" if failing else "network.beacon",
                title="Regular calls that fail" if failing else "Regular calls to one place",
                message=(
                    f"{row['src']} calls {place}{name} every {lasted(period)}, give or take "
                    f"{jitter:.0%}: {number:,} connections so far{failed}."
                ),
                techniques=_techniques(row),
                entities=(
                    subject(str(row["src"]), str(row["host"]) if row["host"] else None),
                    subject(str(row["dst"]), None),
                ),
                evidence=evidence.to_list(),
                since=since,
                until=until,
                count=number,
                p=p,
                name=f"{row['key']}\0{number}",
                reasons=[
                    (
                        f"intervals by chance would be as regular with 2^-{row['bits']:.0f}",
                        lasted(period),
                        float(str(row["bits"])),
                    ),
                    (
                        f"an innocent pair on such a port calls in a rhythm in "
                        f"{float(str(row['innocent'])):.2g} of cases",
                        f"{row['port']}/{row['proto']}",
                        bits(float(str(row["innocent"]))),
                    ),
                    (f"{row['users']:,} of {row['sources']:,} sources call it", "", 0.0),
                ],
            ),
            self.spec,
        )


def detector() -> BeaconDetector:
    """The detector `network-beacons`."""
    return BeaconDetector()


def _calls(rows: pl.DataFrame) -> pl.DataFrame:
    """Connections to the Internet that could be calls home."""
    outward = ~pl.col("dst_in") & ~TO_MANY & pl.col("proto").is_in(["tcp", "udp"])
    calls = rows.filter(outward & (pl.col("port") > 0) & ~pl.col("port").is_in(_CLOCKS) & ~REPLY)
    port = pl.col("port").cast(pl.String)
    place = pl.concat_str([pl.col("dst"), pl.col("proto"), port], separator="|")
    return (
        calls.select(name for name in calls.columns if name in _NEEDED)
        .with_columns(place.alias("place"))
        .with_columns(pl.concat_str([pl.col("src"), pl.col("place")], separator="|").alias("key"))
        .with_columns(_PAIR)
    )


def _due(rows: pl.DataFrame, kept: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """All remembered moments with the new ones, and the rows at a level with their rhythm.

    Moments of a pair stand together, in the order of their numbers; `at` says where a due row's is.
    """
    kept = kept.with_columns(_PAIR, pl.lit(None, pl.Int64).alias("_row"))
    fresh = rows.with_columns(pl.lit(None, pl.Int64).alias("number"))
    fresh = fresh.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("_row"))
    moments = pl.concat([kept, fresh.select(kept.columns)]).sort("_pair", maintain_order=True)
    moments = moments.with_columns(_numbers(moments))
    at_level = moments.select("_row", "number", pl.int_range(pl.len(), dtype=pl.Int64).alias("at"))
    at_level = at_level.filter(
        pl.col("_row").is_not_null() & pl.any_horizontal(pl.col("number") == n for n in LEVELS)
    ).sort("_row")
    due = rows[at_level["_row"]].select(_SHOWN).hstack(at_level.select("number", "at"))
    moments = moments.drop("_row")
    seconds = moments["us"].to_numpy() / 1e6
    out = moments["out"].fill_null(0).to_numpy().astype(np.float64)
    failed = moments["failed"].to_numpy()
    measured = {
        name: np.zeros(due.height) for name in ("bits", "period", "jitter", "spread", "bad")
    }
    since = np.zeros(due.height, dtype=np.int64)
    ends = due["at"].to_numpy()
    sizes = np.minimum(due["number"].to_numpy(), KEPT)
    for size in np.unique(sizes):
        chosen = np.flatnonzero(sizes == size)
        window = ends[chosen][:, None] + np.arange(-size + 1, 1)
        found = rhythm(seconds[window])
        measured["bits"][chosen] = found.bits
        measured["period"][chosen] = found.period
        measured["jitter"][chosen] = found.jitter
        middle = np.median(out[window], axis=1)
        off = np.abs(out[window] - middle[:, None]) > 0.1 * np.abs(middle)[:, None] + 16
        measured["spread"][chosen] = off.mean(axis=1)
        measured["bad"][chosen] = failed[window].mean(axis=1)
        since[chosen] = moments["us"].to_numpy()[window[:, 0]]
    return moments, due.with_columns(
        pl.Series("since", since), *(pl.Series(name, values) for name, values in measured.items())
    )


def _numbers(moments: pl.DataFrame) -> pl.Series:
    """Each moment's ordinal among its pair's; remembered ones come first and know theirs."""
    pair, number = moments["_pair"].to_numpy(), moments["number"].fill_null(1).to_numpy()
    change = np.flatnonzero(pair[1:] != pair[:-1]) + 1
    first = np.concatenate([[0], change]) if len(pair) else change
    lengths = np.diff(np.concatenate([first, [len(pair)]]))
    begin = np.repeat(number[first] - first, lengths)
    return pl.Series("number", np.arange(len(pair)) + begin, dtype=pl.Int64)


def _weighed(due: pl.DataFrame, users: pl.DataFrame) -> pl.DataFrame:
    """The due rows with how often an innocent pair is like them, and the model's p."""
    ordinal = (
        users.filter(pl.col("place").is_in(due["place"].unique().implode()))
        .sort("us", "place", "src")
        .with_columns(pl.int_range(1, pl.len() + 1).over("place").alias("users"))
    )
    counted = (
        due.with_row_index("row")
        .sort("us")
        .join_asof(
            ordinal.select("place", "us", "users"), on="us", by="place", check_sortedness=False
        )
        .sort("row")
        .drop("row", "place")
    )
    first = users["us"].filter(users["src"].is_first_distinct()).sort()
    sources = np.searchsorted(first.to_numpy(), due["us"].to_numpy(), side="right")
    odd = ~pl.col("port").is_in(CALLING)
    failing = pl.col("bad") > 0.7
    crowd = (pl.col("users") >= 3) & (pl.col("users") * 10 >= pl.col("sources"))
    lone = (pl.col("users") == 1) & (pl.col("sources") >= ESTATE)
    perfect = (
        (pl.col("number") >= STEADY) & (pl.col("jitter") <= 0.1) & (pl.col("spread") <= 0.1)
        & (pl.col("bits") >= STEADY)
    )  # fmt: skip
    usual = pl.when(pl.col("port").is_in(WEB) & perfect & lone).then(LONE).otherwise(INNOCENT)
    innocent = (
        pl.when(odd & failing).then(ODD_FAILED).when(odd).then(ODD).otherwise(usual)
        * pl.when(pl.col("spread") > 0.5).then(3.0).otherwise(1.0)
        * pl.when(crowd).then(30.0).otherwise(1.0)
    )
    # Between two public addresses the caller may be anybody's scanner.
    innocent = pl.max_horizontal(innocent, pl.when("src_in").then(0.0).otherwise(UNSIDED))
    chance = 2.0 ** -pl.col("bits") * (pl.col("population") + 1)
    return (
        counted.with_columns(
            pl.Series("sources", sources.astype(np.int64)),
            odd.alias("odd"),
            failing.alias("failing"),
        )
        .with_columns(innocent.alias("innocent"))
        .with_columns(pl.max_horizontal("innocent", chance).clip(upper_bound=1.0).alias("model"))
    )


def _techniques(row: Mapping[str, object]) -> tuple[str, ...]:
    app, port = row["app"], row["port"]
    if app == "http" or (app is None and port in WEB):
        return ("T1071.001",) if port in WEB else ("T1071.001", "T1571")
    if app in {"ssl", "tls", "quic"}:
        return ("T1071.001", "T1573") if port in WEB else ("T1573", "T1571", "T1071.001")
    if app:
        return ("T1071", "T1571") if row["odd"] else ("T1071",)
    return ("T1571", "T1095", "T1071") if row["odd"] else ("T1071",)


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _evicted(after: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    moments, users = after["moments"].with_columns(_PAIR), after["users"]
    newest = pl.col("us").max()
    alive = moments.filter(newest.over("_pair") > newest - FORGOTTEN_US)
    if alive.height > MAX_MOMENTS:
        # Pairs with most connections stay: names that somebody makes up are met once.
        pairs = alive.group_by("_pair").agg(
            pl.col("key").first(), pl.col("number").max().alias("most"), pl.len().alias("moments")
        )
        pairs = pairs.sort("most", "key", descending=[True, False])
        stay = pairs.filter(pl.col("moments").cum_sum() <= MAX_MOMENTS)
        alive = alive.join(stay, on="_pair", how="semi", maintain_order="left")
    return {"moments": alive.drop("_pair"), "users": users.tail(MAX_USERS)}
