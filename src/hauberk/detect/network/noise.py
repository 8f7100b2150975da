"""What comes from the Internet: background noise is always there, so its p has a floor.

What an exposed host hears every day sinks further by its own rate (`measures`).
"""

import polars as pl

from .flows import INBOUND

NOISE = 0.01
"""Least p of what an exposed host hears from the Internet every day."""

UNSIDED = 0.001
"""Least p of what passes between two public addresses, where nobody's side is known."""

NOISY = (
    pl.when(INBOUND).then(NOISE)
    .when(~pl.col("src_in") & ~pl.col("dst_in")).then(UNSIDED)
    .otherwise(0.0)
)  # fmt: skip
"""The floor of a row's p."""
