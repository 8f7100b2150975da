"""Attacks on passwords: guessing, spraying, and the log-on that succeeds in the end.

Every measure is a size (failures of an account from a source, accounts failing from a source ...)
that grows during a campaign. Each time one doubles, its new order of magnitude enters that
measure's history; p is the share of such steps that reached as far. At 8, 64, 512 ... the campaign
is told, when p allows. Eight is where honest people have given up or are locked out: common
lockout policies stop at 3 to 10 tries (NIST SP 800-63B allows no more than 100).

The first day has no history: a prior stands in for it, worth 1,000 steps, in which sizes fall off
as a power law. Whoever is attacked all day learns to expect it, slowly (see `calibration`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from hauberk.detect.calibration import HISTORY_SCHEMA, Calibration
from hauberk.detect.interface import DetectorSpec, State
from hauberk.events import (
    MAX_EVIDENCE,
    EventBatch,
    EventClass,
    FindingKind,
    findings_frame,
)

from .attempts import ATTEMPT_SCHEMA, COLUMNS, attempts
from .bursts import DAY_US, GAP_US, burst_schema, is_level, is_power_of_two
from .campaigns import (
    GUESSED,
    GUESSING,
    MANY_SOURCES,
    SPRAYED,
    SPRAYING,
    Shape,
    few,
    finding,
)
from .echoes import VOICE_SCHEMA
from .measure import SPOKEN_SCHEMA, held_to_measure
from .quiet import QUIET_SCHEMAS, QuietSpraying
from .walking import MAX_KEYS, PAIR, bursts_after, kept_as_evidence, walked

REPORT_AT = 0.02
"""Largest p that is worth a finding."""

TOLD_FROM = 8
"""Least size of a campaign that is told."""

SUCCESS_AFTER = 5
"""Failures, or failed accounts of a source, from which a success is told of."""

SAID_FREELY = 30
"""Findings of one measure an hour; beyond, only what is stranger than all that was said before."""

EPOCH = 1 << 17
"""Attempts that are judged together, at most; the bounds above are held at their ends."""

_MEASURES = ("guessing", "spraying", "many", "success")
_ATTEMPT = tuple(ATTEMPT_SCHEMA)

_SCHEMAS: Mapping[str, pl.Schema] = {
    "pairs": burst_schema(PAIR, "source_start", "account_start"),
    "sources": burst_schema(("source",), "distinct"),
    "accounts": burst_schema(("account",), "distinct"),
    "recent": ATTEMPT_SCHEMA,
    "told": pl.Schema(
        {
            "source": pl.String(),
            "account": pl.String(),
            "start": pl.Int64(),
            "level": pl.Int64(),
            "us": pl.Int64(),
        }
    ),
    "clock": pl.Schema({"us": pl.Int64(), "attempts": pl.Int64()}),
    "spoken": SPOKEN_SCHEMA,
    "voices": VOICE_SCHEMA,
    **dict.fromkeys(_MEASURES, HISTORY_SCHEMA),
    **QUIET_SCHEMAS,
}


def _power_law(exponent: float, first: Sequence[float] = (1.0,)) -> Calibration:
    """Orders of magnitude (powers of two) that fall off by `exponent` bits each, after `first`."""
    steps = (first[-1] * 2.0 ** (-exponent * step) for step in range(1, 24))
    return Calibration(
        bin_width=1.0,
        bins=32,
        suspicious_at=REPORT_AT,
        excess_share=1 / 8,
        prior_weight=1000,
        prior_tail=(*first, *steps),
    )


_GUESSING = _power_law(3)
_SPRAYING = _power_law(3)
_MANY = _power_law(3)
# Of log-ons that succeed, a tenth follow a mistake, and few follow three.
_SUCCESS = _power_law(2, first=(1.0, 0.1, 0.02, 0.004))


@dataclass(frozen=True, slots=True)
class _Judged:
    """A measure's rows to be told, and its history after the batch."""

    rows: pl.DataFrame
    history: pl.DataFrame


class AuthenticationDetector:
    """Judges failed log-ons, burst by burst, and the successes that follow them."""

    spec = DetectorSpec(
        name="authentication",
        version="2",
        kind=FindingKind.AUTHENTICATION,
        title="Passwords guessed, sprayed, and found",
        columns={EventClass.AUTHENTICATION: COLUMNS},
    )

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings of this batch and the state after it."""
        tables = {
            name: state.get(name, pl.DataFrame(schema=schema)) for name, schema in _SCHEMAS.items()
        }
        if tables["clock"].is_empty():
            tables["clock"] = pl.DataFrame({"us": [0], "attempts": [0]}, schema=_SCHEMAS["clock"])
        us, number = tables["clock"].row(0)
        rows, tables["voices"] = attempts(batch, us, number, tables["voices"])
        found: list[dict[str, object]] = []
        for part in _epochs(rows, int(tables["clock"]["attempts"][0])):
            found.extend(self._judge_attempts(part, tables))
        return findings_frame(found), tables

    def _judge_attempts(
        self, rows: pl.DataFrame, tables: dict[str, pl.DataFrame]
    ) -> Iterator[dict[str, object]]:
        """Findings of some attempts; moves `tables` on."""
        in_bursts = walked(rows, tables)
        failed = in_bursts.filter("fail")
        recent = pl.concat([tables["recent"], failed.select(_ATTEMPT)])
        guessing = _steps(
            failed.filter(is_power_of_two("pair_count")),
            "pair_count",
            tables["guessing"],
            _GUESSING,
        )
        spraying = _steps(
            failed.filter(pl.col("source_new") & is_power_of_two("source_distinct")),
            "source_distinct",
            tables["spraying"],
            _SPRAYING,
        )
        many = _steps(
            failed.filter(pl.col("account_new") & is_power_of_two("account_distinct")),
            "account_distinct",
            tables["many"],
            _MANY,
        )
        success, told = _successes(rows, in_bursts, tables)
        quiet = QuietSpraying.judge(in_bursts, rows, tables)

        # A source that sprays is told once, not again for each account that it tries.
        alone = (pl.col("source_distinct") < TOLD_FROM) | (pl.col("pair_count") > TOLD_FROM)
        chosen = pl.concat(
            [
                judged.rows.with_columns(pl.lit(name).alias("scope"))
                for name, judged in (
                    ("guessing", _Judged(guessing.rows.filter(alone), guessing.history)),
                    ("spraying", spraying),
                    ("many", many),
                    ("success", success),
                )
            ],
            how="diagonal",
        ).with_columns((pl.col("us") // GAP_US).alias("hour"))
        told_rows, spoken = held_to_measure(
            chosen,
            tables["spoken"],
            int(tables["clock"]["us"][0]) // GAP_US,
            int(rows["us"][-1]) // GAP_US,
            SAID_FREELY,
        )
        of = {name: told_rows.filter(pl.col("scope") == name) for name in _MEASURES}
        yield from self._told(GUESSING, of["guessing"], recent)
        yield from self._told(SPRAYING, of["spraying"], recent)
        yield from self._told(MANY_SOURCES, of["many"], recent)
        yield from self._told_successes(of["success"], recent)
        yield from quiet.findings(self.spec)

        tables.update(
            guessing=guessing.history,
            spraying=spraying.history,
            many=many.history,
            success=success.history,
            told=told,
            spoken=spoken,
            recent=kept_as_evidence(recent),
            clock=tables["clock"].with_columns(
                pl.lit(int(rows["us"][-1])).alias("us"), pl.col("attempts") + rows.height
            ),
            **quiet.tables,
            **bursts_after(failed, tables),
        )

    def _told(
        self, shape: Shape, rows: pl.DataFrame, recent: pl.DataFrame
    ) -> Iterator[dict[str, object]]:
        keys, start = _KEYS[shape.rule_uid]
        evidence = _by_key(recent, rows, keys)
        for row in rows.iter_rows(named=True):
            failures = evidence[tuple(row[key] for key in keys)].filter(
                (pl.col("us") >= row[start]) & (pl.col("number") <= row["number"])
            )
            # No more than is kept of earlier batches: what is said must not depend on their cuts.
            failures = failures.tail(MAX_EVIDENCE)
            size = row[_SIZES[shape.rule_uid]]
            name = "\0".join([*(row[key] for key in keys), str(row[start]), str(size)])
            tries = row["source_count"] / max(1, row["source_distinct"])
            yield finding(
                shape,
                self.spec,
                message=_message(shape, row, failures),
                failures=failures,
                success=None,
                count=row[_COUNTS[shape.rule_uid]],
                p=row["p"],
                name=name,
                value=f"{size:,}",
                # One try each is what a list of stolen names and passwords looks like as well.
                techniques=("T1110.003", "T1110.004") if shape is SPRAYING and tries < 1.5 else (),
            )

    def _told_successes(
        self, rows: pl.DataFrame, recent: pl.DataFrame
    ) -> Iterator[dict[str, object]]:
        by_pair = _by_key(recent, rows, PAIR)
        by_source = _by_key(recent, rows, ("source",))
        for row in rows.iter_rows(named=True):
            pair = (row["source"], row["account"])
            guessed = row["pair_count"] >= SUCCESS_AFTER
            shape = GUESSED if guessed else SPRAYED
            start = row["pair_start"] if guessed else row["source_start"]
            before = by_pair[pair] if guessed else by_source[pair[:1]]
            failures = before.filter((pl.col("us") >= start) & (pl.col("number") <= row["number"]))
            count = row["pair_count"] if guessed else row["source_count"]
            where = f"to {row['host']} " if row["host"] != "?" else ""
            what = (
                f"after {count:,} failures"
                if guessed
                else f"which had failed {count:,} times for {row['source_distinct']:,} accounts"
            )
            yield finding(
                shape,
                self.spec,
                message=f"{row['account']} logged on {where}from {row['source']}, {what}",
                failures=failures,
                success=row,
                count=count,
                p=row["p"],
                name="\0".join([*pair, str(row["start"]), str(row["level"])]),
                value=f"{count:,}",
            )


_KEYS: Mapping[str, tuple[tuple[str, ...], str]] = {
    GUESSING.rule_uid: (PAIR, "pair_start"),
    SPRAYING.rule_uid: (("source",), "source_start"),
    MANY_SOURCES.rule_uid: (("account",), "account_start"),
}
_SIZES = {
    GUESSING.rule_uid: "pair_count",
    SPRAYING.rule_uid: "source_distinct",
    MANY_SOURCES.rule_uid: "account_distinct",
}
_COUNTS = {
    GUESSING.rule_uid: "pair_count",
    SPRAYING.rule_uid: "source_count",
    MANY_SOURCES.rule_uid: "account_count",
}


def detector() -> AuthenticationDetector:
    """The detector `authentication`."""
    return AuthenticationDetector()


def _epochs(rows: pl.DataFrame, ordinal: int) -> Iterator[pl.DataFrame]:
    begin = 0
    while begin < rows.height:
        length = EPOCH - (ordinal + begin) % EPOCH
        yield rows.slice(begin, length)
        begin += length


def _steps(
    rows: pl.DataFrame, size: str, history: pl.DataFrame, calibration: Calibration
) -> _Judged:
    """Rows at which a measure doubled, judged; those to be told have a `p`."""
    p, after = calibration.judge(history, np.log2(rows[size].to_numpy()))
    judged = rows.with_columns(pl.Series("p", p))
    return _Judged(judged.filter(is_level(size, TOLD_FROM) & (pl.col("p") <= REPORT_AT)), after)


def _successes(
    rows: pl.DataFrame, in_bursts: pl.DataFrame, tables: Mapping[str, pl.DataFrame]
) -> tuple[_Judged, pl.DataFrame]:
    """Successes to be told of, the first of each order of magnitude; and the table `told`."""
    after = in_bursts.filter(~pl.col("fail")).with_columns(
        pl.max_horizontal("pair_count", "source_distinct").alias("size")
    )
    all_of_them = rows.filter(~pl.col("fail")).join(
        after.select("number", "size"),
        on="number",
        how="left",
        maintain_order="left",
    )
    scores = np.log2(1.0 + all_of_them["size"].fill_null(0).to_numpy())
    p, history = _SUCCESS.judge(tables["success"], scores)
    ranked = all_of_them.select("number", pl.Series("p", p))
    guessed = pl.col("pair_count") >= SUCCESS_AFTER
    telling = (
        after.filter(pl.col("size") >= SUCCESS_AFTER)
        .with_columns(
            pl.when(guessed).then("pair_start").otherwise("source_start").alias("start"),
            (pl.col("size").log(2) / 3).cast(pl.Int64).alias("level"),
        )
        .join(ranked, on="number", how="left", maintain_order="left")
    )
    keys = [*PAIR, "start", "level"]
    fresh = telling.unique(keys, keep="first", maintain_order=True).join(
        tables["told"], on=keys, how="anti", maintain_order="left"
    )
    told = pl.concat([tables["told"], fresh.select(*keys, "us")])
    today = int(rows["us"][-1]) // DAY_US
    told = told.filter(pl.col("us") // DAY_US == today).tail(MAX_KEYS)
    return _Judged(fresh.filter(pl.col("p") <= REPORT_AT), history), told


def _by_key(
    recent: pl.DataFrame, rows: pl.DataFrame, keys: Sequence[str]
) -> dict[tuple[object, ...], pl.DataFrame]:
    """The failures of each key that the rows name, in time order."""
    chosen = recent.join(
        rows.select(keys).unique(), on=list(keys), how="semi", maintain_order="left"
    )
    parts = chosen.partition_by(list(keys), as_dict=True, maintain_order=True)
    none = recent.clear()
    return {key: parts.get(key, none) for key in rows.select(keys).iter_rows()}


def _message(shape: Shape, row: dict[str, object], failures: pl.DataFrame) -> str:
    hosts = failures.filter(pl.col("host") != "?")["host"]
    on = f" on {few(hosts)}" if len(hosts) else ""
    if shape is GUESSING:
        return f"{row['pair_count']:,} failed log-ons of {row['account']} from {row['source']}{on}"
    if shape is SPRAYING:
        return (
            f"{row['source']} failed to log on as {row['source_distinct']:,} accounts{on} "
            f"({row['source_count']:,} tries; {few(failures['account'])})"
        )
    return (
        f"{row['account_distinct']:,} sources failed to log on as {row['account']}{on} "
        f"({row['account_count']:,} tries; {few(failures['source'])})"
    )
