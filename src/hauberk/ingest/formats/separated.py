"""Separated text into columns of strings: Zeek's tab-separated logs, Argus' flow tables."""

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl


def separators_in(texts: Sequence[bytes], separator: bytes) -> npt.NDArray[np.int64]:
    """How many separators each line holds."""
    return np.fromiter((text.count(separator) for text in texts), np.int64, len(texts))


def split_columns(
    texts: Sequence[bytes], separator: bytes, names: Sequence[str], unset: str | None
) -> pl.DataFrame:
    """Lines that hold exactly `len(names)` values each as columns of strings, without quoting.

    `unset` is the text that stands for no value. What is no UTF-8 becomes U+FFFD.
    """
    schema = {f"column_{i}": pl.String() for i in range(len(names))}
    frame = _read(texts, separator, schema, unset)
    if frame is None or frame.height != len(texts):
        frame = _split_slowly(texts, separator, schema, unset)
    return frame.rename(dict(zip(schema, names, strict=True)))


def _read(
    texts: Sequence[bytes], separator: bytes, schema: dict[str, pl.String], unset: str | None
) -> pl.DataFrame | None:
    if not texts:
        return pl.DataFrame(schema=schema)
    # The reader unpacks what begins like a compressed file, so no line of a stranger's comes first.
    guard = b"x" + (separator + b"x") * (len(schema) - 1)
    try:
        frame = pl.read_csv(
            io.BytesIO(b"\n".join((guard, *texts, b""))),
            separator=separator.decode("ascii"),
            quote_char=None,
            has_header=False,
            schema=schema,
            encoding="utf8-lossy",
            null_values=unset,
            empty_string_is_null=False,
        )
    except (pl.exceptions.PolarsError, OSError):
        return None
    return frame.slice(1)


def _split_slowly(
    texts: Sequence[bytes], separator: bytes, schema: dict[str, pl.String], unset: str | None
) -> pl.DataFrame:
    """The same by hand, for the lines of which the fast reader makes something else."""
    rows = [text.decode("utf-8", "replace").split(separator.decode("ascii")) for text in texts]
    return pl.DataFrame(
        {
            name: pl.Series([row[i] if row[i] != unset else None for row in rows], dtype=pl.String)
            for i, name in enumerate(schema)
        }
    )
