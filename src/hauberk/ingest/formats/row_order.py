"""Rows of a frame in another order."""

import numpy as np
import numpy.typing as npt
import polars as pl


def gathered(frame: pl.DataFrame, order: npt.NDArray[np.int64]) -> pl.DataFrame:
    """Row i is row `order[i]` of `frame`, column by column in the thread of the caller.

    A frame's own look-up runs in the threads that all queries share, and waits there for what a
    commit sorts at the time: ten times as long as it takes.
    """
    return pl.DataFrame([series[order] for series in frame.get_columns()])
