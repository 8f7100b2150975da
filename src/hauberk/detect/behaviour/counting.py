"""How probable a pair was, from everything before it: counts, backed off.

For a tile (context a, object b), with the counts before it:

    new_here  = (once(a) + 1 + seen(a, b) * max(once(a), 1)) / (tiles(a) + 1)
    new_there = (objects + 1 + users(b)) / (pairs + 1)          where seen(a, b) = 0, else 1

`new_here` estimates how much of a's life is as rare as this (Good-Turing: the share of things seen
once predicts the share of new ones), `new_there` the share of first encounters whose object was as
little known elsewhere (Kneser-Ney's continuation counts, summed over the rarer ones). Both are tail
masses, not point masses, so that they do not shrink merely because the past grows.

Sources: I. J. Good, Biometrika 40 (1953); R. Kneser, H. Ney, ICASSP 1995; for edges of networks,
F. Sanna Passino, N. A. Heard, Mutually exciting point processes and Dirichlet p-values (2019).
"""

import polars as pl

from .memory import Memory

_ROW = pl.int_range(pl.len())


def counted(rows: pl.DataFrame, memory: Memory) -> pl.DataFrame:
    """The rows with what came before each, and how probable that makes it.

    Adds `seen`, `context_tiles`, `once`, `users`, `pairs`, `objects` (counts before the row), the
    probabilities `new_here` and `new_there`, and `bits`, the -log2 of their product.
    """
    numbered = rows.with_columns(
        pl.col("context").cast(pl.Categorical).to_physical().alias("a"),
        pl.col("object").cast(pl.Categorical).to_physical().alias("b"),
    ).with_columns((pl.col("a").cast(pl.UInt64) * (1 << 32) + pl.col("b")).alias("ab"))
    known = (
        numbered.join(
            memory.pairs.select("context", "object", pl.col("tiles").alias("seen")),
            on=["context", "object"],
            how="left",
            maintain_order="left",
        )
        .join(
            memory.contexts.select("context", "context_tiles", "once"),
            on="context",
            how="left",
            maintain_order="left",
        )
        .join(
            memory.objects.select("object", "users"),
            on="object",
            how="left",
            maintain_order="left",
        )
        .with_columns(pl.col("seen", "context_tiles", "once", "users").fill_null(0))
    )
    seen = known.with_columns(pl.col("seen") + _ROW.over("ab")).with_columns(
        (pl.col("seen") == 0).cast(pl.Int64).alias("first"),
        (pl.col("seen") == 1).cast(pl.Int64).alias("second"),
    )
    gain = pl.col("first") - pl.col("second")
    first = pl.col("first")
    before = seen.with_columns(
        pl.col("context_tiles") + _ROW.over("a"),
        pl.col("once") + (gain.cum_sum() - gain).over("a"),
        pl.col("users") + (first.cum_sum() - first).over("b"),
    )
    unknown = ((pl.col("users") == 0) & (pl.col("first") == 1)).cast(pl.Int64)
    totals = before.with_columns(
        (memory.moment("pairs") + first.cum_sum() - first).alias("pairs"),
        (memory.moment("objects") + unknown.cum_sum() - unknown).alias("objects"),
    )
    at_most = pl.col("seen") * pl.max_horizontal(pl.col("once"), pl.lit(1))
    here = (pl.col("once") + 1 + at_most) / (pl.col("context_tiles") + 1)
    there = (pl.col("objects") + 1 + pl.col("users")) / (pl.col("pairs") + 1)
    return (
        totals.with_columns(
            here.clip(upper_bound=1.0).alias("new_here"),
            pl.when(pl.col("first") == 1)
            .then(there.clip(upper_bound=1.0))
            .otherwise(1.0)
            .alias("new_there"),
        )
        .with_columns(-(pl.col("new_here") * pl.col("new_there")).log(2).alias("bits"))
        .drop("a", "b", "ab")
    )


def remembered(rows: pl.DataFrame, memory: Memory) -> dict[str, pl.DataFrame]:
    """The tables `pairs`, `contexts` and `objects` after counted rows."""
    pairs = pl.concat(
        [
            memory.pairs,
            rows.select("context", "object", pl.lit(1, pl.Int64).alias("tiles"), "hour").rename(
                {"hour": "last"}
            ),
        ]
    )
    contexts = pl.concat(
        [
            memory.contexts,
            rows.select(
                "context",
                pl.lit(1, pl.Int64).alias("context_tiles"),
                (pl.col("first") - pl.col("second")).alias("once"),
                pl.col("hour").alias("context_last"),
            ),
        ]
    )
    objects = pl.concat(
        [
            memory.objects,
            rows.select(
                "object", pl.col("first").alias("users"), pl.col("hour").alias("object_last")
            ),
        ]
    )
    return {
        "pairs": pairs.group_by("context", "object").agg(
            pl.col("tiles").sum(), pl.col("last").max()
        ),
        "contexts": contexts.group_by("context").agg(
            pl.col("context_tiles", "once").sum(), pl.col("context_last").max()
        ),
        "objects": objects.group_by("object").agg(
            pl.col("users").sum(), pl.col("object_last").max()
        ),
    }
