"""Which public addresses are ours, where a site uses such inside.

Between two public addresses nobody's side is known at first. A sensor watches few addresses of its
own and many of others, so an address is ours when it takes part in `SHARE` of such flows, and

- calls many places that answer, more often than not; or
- is knocked at in vain, on many ports, by many sources, as all that is exposed is.

That is asked after the first 256, 512, 1024 ... and at last after `LEARNED` such flows, of all so
far, and holds from then on.
"""

import polars as pl

from hauberk.detect.interface import State

SHARE = 0.05
CALLED, KNOCKING, KNOCKED = 8, 32, 8
"""Distinct places called; distinct sources in vain, and distinct ports in vain."""

LEVELS = (256, 512, 1024, 2048, 4096, 8192, 16_384, 32_768)
LEARNED = LEVELS[-1]
"""How many flows between two public addresses are looked at."""

_FLOWS = pl.Schema(
    {"src": pl.String(), "dst": pl.String(), "port": pl.Int64(), "failed": pl.Boolean()}
)
_OURS = pl.Schema({"address": pl.String()})
_DONE = pl.Schema({"flows": pl.Int64()})
_BOTH_PUBLIC = ~pl.col("src_in") & ~pl.col("dst_in")


_NOTHING = (
    pl.DataFrame(schema=_OURS),
    pl.DataFrame(schema=_FLOWS),
    pl.DataFrame([(0,)], schema=_DONE, orient="row"),
)
_TABLES = ("ours", "ours.flows", "ours.done")


def tables_of_ours(state: State) -> tuple[pl.DataFrame, ...]:
    """What `with_ours` remembers, as it takes it."""
    return tuple(state.get(name, none) for name, none in zip(_TABLES, _NOTHING, strict=True))


def with_ours(
    rows: pl.DataFrame, ours: pl.DataFrame, seen: pl.DataFrame, flows: pl.DataFrame
) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
    """The rows (in time order) with `src_in` and `dst_in` where an address is ours; the tables."""
    done = int(flows["flows"][0])
    public = rows.select(_BOTH_PUBLIC).to_series()
    if public.any() and done < LEARNED:
        parts: list[pl.DataFrame] = []
        ordinal = public.cum_sum() + done
        begin = 0
        for level in LEVELS:
            if level <= done:
                continue
            # Up to and with the row that reaches the level; what follows is told by it.
            end = int((ordinal < level).sum()) + 1
            part = rows.slice(begin, end - begin)
            fresh = part.filter(_BOTH_PUBLIC).select(_FLOWS.names())
            seen, done = pl.concat([seen, fresh]), done + fresh.height
            parts.append(_sided(part, ours))
            begin += part.height
            if done < level:
                break
            ours = pl.concat([ours, _learned(seen)]).unique(maintain_order=True)
        if done >= LEARNED:
            seen = seen.clear()
        rows = pl.concat([*parts, _sided(rows.slice(begin), ours)])
    else:
        rows = _sided(rows, ours)
    done_now = pl.DataFrame([(done,)], schema=_DONE, orient="row")
    return rows, dict(zip(_TABLES, (ours, seen, done_now), strict=True))


def _sided(rows: pl.DataFrame, ours: pl.DataFrame) -> pl.DataFrame:
    if ours.is_empty():
        return rows
    mine = ours["address"].implode()
    return rows.with_columns(
        (pl.col(f"{side}_in") | pl.col(side).is_in(mine)).alias(f"{side}_in")
        for side in ("src", "dst")
    )


def _learned(seen: pl.DataFrame) -> pl.DataFrame:
    """Addresses that these flows say are ours."""
    calls = seen.group_by(pl.col("src").alias("address")).agg(
        pl.len().alias("calls"),
        pl.col("failed").sum().alias("vain"),
        pl.col("dst").filter(~pl.col("failed")).n_unique().alias("called"),
    )
    heard = seen.group_by(pl.col("dst").alias("address")).agg(
        pl.len().alias("heard"),
        pl.col("src").filter("failed").n_unique().alias("knocking"),
        pl.col("port").filter("failed").n_unique().alias("knocked"),
    )
    both = calls.join(heard, on="address", how="full", coalesce=True).fill_null(0)
    calling = (pl.col("called") >= CALLED) & (pl.col("vain") * 2 < pl.col("calls"))
    exposed = (pl.col("knocking") >= KNOCKING) & (pl.col("knocked") >= KNOCKED)
    often = pl.col("calls") + pl.col("heard") >= SHARE * seen.height
    return both.filter(often & (calling | exposed)).select("address").sort("address")
