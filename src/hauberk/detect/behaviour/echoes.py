"""One attempt that two products record is one attempt.

A network sensor sees a Kerberos exchange that fails, the domain controller logs it as well: four
wrong passwords would count as eight. Within ECHO_US, attempts of one account from one source with
one outcome that another product has already told are echoes, one for one: a product's third try
is an echo only of the other's third.
"""

import numpy as np
import polars as pl

from .bursts import Ints, codes

ECHO_US = 5_000_000
"""How much later than the first another product's record of the same attempt may come."""

MAX_VOICES = 20_000
"""Attempts of the last moments that are remembered; of more at once, echoes are counted."""

VOICE_SCHEMA = pl.Schema(
    {
        "us": pl.Int64(),
        "source": pl.String(),
        "account": pl.String(),
        "fail": pl.Boolean(),
        "product": pl.String(),
    }
)

_SAME = ("source", "account", "fail")


def heard_once(rows: pl.DataFrame, voices: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rows without echoes, and the table of voices (VOICE_SCHEMA) after them.

    `rows` in order of `us`, with the columns of VOICE_SCHEMA; `voices` are those before.
    """
    if rows.is_empty():
        return rows, voices
    first, last = int(rows["us"][0]), int(rows["us"][-1])
    near = voices.filter(pl.col("us").is_between(first - ECHO_US, first))
    said = pl.concat([near, rows.select(VOICE_SCHEMA.names())])
    after = said.filter(pl.col("us") >= last - ECHO_US).tail(MAX_VOICES)
    if said["product"].n_unique() < 2:
        return rows, after
    us = said["us"].to_numpy()
    all_of_them = _just_before(codes(said, _SAME), us)
    own = _just_before(codes(said, (*_SAME, "product")), us)
    echo = all_of_them - own > own
    return rows.filter(pl.Series(~echo[near.height :])), after


def _just_before(key: Ints, us: Ints) -> Ints:
    """How many rows of the same key came within ECHO_US before each row."""
    # All keys on one axis, so that a single search finds where each window begins in its own key.
    # Silences are cut to just over a window: years would not fit.
    clock = np.cumsum(np.minimum(np.diff(us, prepend=us[:1]), ECHO_US + 1))
    span = int(clock[-1]) + 1
    order = np.argsort(key, kind="stable")
    axis = key[order] * span + clock[order]
    begin = np.searchsorted(axis, np.maximum(axis - ECHO_US, key[order] * span), side="left")
    counts = np.empty(len(key), dtype=np.int64)
    counts[order] = np.arange(len(key)) - begin
    return counts
