"""The baseline as tables, and tiles as positions in it."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from hauberk.detect.interface import State

from .baseline import BINS, STRENGTHS, Baseline, Floats, HourTiles, Ints
from .tiles import TILE_SCHEMA

MAX_PAIRS = 100_000
"""Pairs, analytics and seats that are remembered, each; the longest unseen are forgotten first."""

_PAIR = ("product", "analytic", "entity")
_ANALYTIC = ("product", "analytic")
_SEAT = ("product", "entity")


@dataclass(frozen=True, slots=True)
class Memory:
    """A baseline that has a row for every key of the state and of the tiles at hand."""

    baseline: Baseline
    pairs: pl.DataFrame
    analytics: pl.DataFrame
    seats: pl.DataFrame
    products: pl.DataFrame
    tiles: pl.DataFrame  # TILE_SCHEMA and the positions pair, analytic_at, seat, product_at

    def hour(self, first: int, end: int) -> HourTiles:
        """Tiles `first` up to `end` as positions."""
        part = self.tiles.slice(first, end - first)

        def column(name: str) -> Ints:
            return part[name].cast(pl.Int64).to_numpy()

        return HourTiles(
            column("pair"), column("analytic_at"), column("seat"), column("product_at"),
            column("count"), column("severity"),
        )  # fmt: skip

    def state(self, pending: pl.DataFrame) -> State:
        """Everything to remember, `pending` being the tiles of the hour that has not ended."""
        known = self.baseline
        pairs = self.pairs.with_columns(
            seen=known.pair_seen, last=known.pair_last, weights=_lists(known.pair_weights)
        )
        analytics = self.analytics.with_columns(
            seen=known.analytic_seen,
            seats=known.analytic_seats,
            last=known.analytic_last,
            weights=_lists(known.analytic_weights),
        )
        seats = self.seats.with_columns(since=known.seat_since, hours=known.seat_hours)
        return {
            "clock": pl.DataFrame({"hour": [known.clock]}, schema={"hour": pl.Int64()}),
            "pairs": _bounded(pairs.filter(pl.col("seen") > 0), "last"),
            "analytics": _bounded(analytics.filter(pl.col("seen") > 0), "last"),
            "seats": _bounded(seats.filter(pl.col("since") >= 0), "hours"),
            "products": self.products.with_columns(strengths=_lists(known.product_strengths)),
            "pending": pending.select(TILE_SCHEMA.names()),
        }


def recall(state: State, tiles: pl.DataFrame) -> Memory:
    """The baseline in `state`, with room for the keys of `tiles`."""
    pairs = _known(state, "pairs", tiles, _PAIR)
    analytics = _known(state, "analytics", tiles, _ANALYTIC)
    seats = _known(state, "seats", tiles, _SEAT)
    products = _known(state, "products", tiles, ("product",))
    clock = state["clock"]["hour"][0] if "clock" in state else None
    seat_products = seats.select("product").join(
        products.select("product").with_row_index("at"), on="product", maintain_order="left"
    )
    baseline = Baseline(
        clock=clock,
        pair_weights=_matrix(pairs, "weights", BINS),
        pair_seen=_ints(pairs, "seen", 0),
        pair_last=_ints(pairs, "last", 0),
        analytic_weights=_matrix(analytics, "weights", BINS),
        analytic_seen=_ints(analytics, "seen", 0),
        analytic_seats=_ints(analytics, "seats", 0),
        analytic_last=_ints(analytics, "last", 0),
        seat_hours=_floats(seats, "hours"),
        seat_since=_ints(seats, "since", -1),
        product_strengths=_matrix(products, "strengths", STRENGTHS),
        seat_product=seat_products["at"].cast(pl.Int64).to_numpy(),
    )
    pairs, analytics = pairs.select(_PAIR), analytics.select(_ANALYTIC)
    seats, products = seats.select(_SEAT), products.select("product")
    placed = (
        tiles.join(pairs.with_row_index("pair"), on=_PAIR, how="left", maintain_order="left")
        .join(
            analytics.with_row_index("analytic_at"), on=_ANALYTIC, how="left",
            maintain_order="left",
        )
        .join(seats.with_row_index("seat"), on=_SEAT, how="left", maintain_order="left")
        .join(
            products.with_row_index("product_at"), on="product", how="left", maintain_order="left"
        )
    )  # fmt: skip
    return Memory(baseline, pairs, analytics, seats, products, placed)


def _known(state: State, name: str, tiles: pl.DataFrame, keys: tuple[str, ...]) -> pl.DataFrame:
    """The state's table and, after it, a row for every new key of the tiles."""
    fresh = tiles.select(keys).unique(maintain_order=True)
    table = state.get(name)
    if table is None:
        return fresh
    return pl.concat(
        [table, fresh.join(table, on=keys, how="anti", maintain_order="left")], how="diagonal"
    )


def _bounded(table: pl.DataFrame, by: str) -> pl.DataFrame:
    if table.height <= MAX_PAIRS:
        return table
    keep = table[by].arg_sort(descending=True).head(MAX_PAIRS).sort()
    return table[keep]


def _lists(weights: Floats) -> pl.Series:
    return pl.Series(weights, dtype=pl.Array(pl.Float64(), weights.shape[1])).cast(
        pl.List(pl.Float64())
    )


def _matrix(table: pl.DataFrame, name: str, width: int) -> Floats:
    """The lists of a column as rows, zeros where there are none."""
    matrix = np.zeros((table.height, width))
    if name in table.columns:
        lists = table[name].drop_nulls()
        filled = table[name].is_not_null().to_numpy()
        if len(lists):
            matrix[filled] = lists.explode().to_numpy().reshape(-1, width)
    return matrix


def _ints(table: pl.DataFrame, name: str, default: int) -> Ints:
    if name not in table.columns:
        return np.full(table.height, default, np.int64)
    return table[name].fill_null(default).to_numpy().copy()


def _floats(table: pl.DataFrame, name: str) -> Floats:
    if name not in table.columns:
        return np.zeros(table.height)
    return table[name].fill_null(0.0).to_numpy().copy()
