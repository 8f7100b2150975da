"""Finds a few rows of files that are ordered by uid, by uids that are kept in memory.

Reading the uids of a file costs far more than reading a few of its rows: a page that waits reads
them once. Files never change, and are known here by their digests, so nothing kept can go stale;
what a commit has taken out of the lake is asked for no more, and is forgotten for newer files.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from hauberk.errors import HomeDamagedError

from .lake import read_files
from .lake_files import FINDINGS

MAX_BYTES = 64 * 2**20
"""Uids that are kept: those of some 2.8 million findings."""

_UID = "uid"
_PLACE = "place"
_MAX_LENGTH = 64
_SLICE_WORTH = 5_000
"""Rows of a file that are read as quickly as one row is cut out."""
_AT_ONCE = 8
"""Files that are read at a time: among many more, threads wait for each other most of the time."""

Uids = NDArray[np.bytes_]
"""A file's uids in its order, which is theirs."""


@dataclass(frozen=True, slots=True)
class OrderedFile:
    """A file of the lake, and the digest that the ledger has of it."""

    path: Path
    sha256: str


class Places:
    """Uids of files that were asked for last, `max_bytes` at most. For many threads."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[str, Uids] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def bytes(self) -> int:
        """What is kept."""
        return self._bytes

    def findings(
        self, files: Iterable[OrderedFile], uids: Sequence[str], columns: Sequence[str]
    ) -> pl.DataFrame:
        """Rows of findings with these uids: `columns` (`commit` among them), in no order.

        Raises FileNotFoundError where a file was deleted since its name was read, and
        HomeDamagedError where one was cut short since its uids were.
        """
        encoded = sorted({one.encode(errors="replace") for one in uids})
        others = [one for one in columns if one != _UID]
        cut: list[pl.LazyFrame] = []
        texts: list[str] = []
        unordered: list[pl.LazyFrame] = []
        for file in files:
            rows, kept = read_files(FINDINGS, [str(file.path)]), self._uids_of(file)
            if kept is None:
                unordered.append(rows.filter(pl.col(_UID).is_in(uids)).select(columns))
                continue
            places = _places(kept, encoded)
            texts += [kept[at].decode() for at in places]
            cut += _cut(rows.select(others), places, len(kept))
        parts = [read_files(FINDINGS, []).select(columns).collect()]
        if cut:  # rows stay in the order that they were asked for in
            found = _collect(cut)
            if found.height != len(texts):
                raise HomeDamagedError(
                    "files of findings hold other rows than they held",
                    hint="Run `hauberk verify` to see what was changed",
                )
            parts.append(found.with_columns(pl.Series(_UID, texts, pl.String)).select(columns))
        if unordered:
            parts.append(_collect(unordered))
        return pl.concat(parts)

    def _uids_of(self, file: OrderedFile) -> Uids | None:
        """A file's uids; None where they are not in order or not of one length."""
        with self._lock:
            known = self._kept.get(file.sha256)
            if known is not None:
                self._kept.move_to_end(file.sha256)
                return known
        read = _read_uids(file.path)
        if read is None or read.nbytes > self._max_bytes:
            return read
        with self._lock:
            if file.sha256 not in self._kept:
                self._kept[file.sha256] = read
                self._bytes += read.nbytes
            while self._bytes > self._max_bytes:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return read


def _collect(frames: Sequence[pl.LazyFrame]) -> pl.DataFrame:
    """All rows, in the order of the frames."""
    groups = (frames[at : at + _AT_ONCE] for at in range(0, len(frames), _AT_ONCE))
    return pl.concat([pl.concat(one).collect() for one in groups])


def _places(kept: Uids, encoded: Sequence[bytes]) -> list[int]:
    """Where in a file the uids stand, in order; they are given in order."""
    width = kept.dtype.itemsize
    wanted = np.array([one for one in encoded if len(one) == width], "S")
    if not wanted.size:
        return []
    # A finding that was said again stands several times in a file that was compacted.
    first, last = (np.searchsorted(kept, wanted, side=side) for side in ("left", "right"))
    return [at for low, high in zip(first, last, strict=True) for at in range(low, high)]


def _cut(rows: pl.LazyFrame, places: Sequence[int], height: int) -> list[pl.LazyFrame]:
    """The rows at these places of a file, in order."""
    if len(places) * _SLICE_WORTH <= height:
        return [rows.slice(at, 1) for at in places]
    wanted = pl.Series(places, dtype=pl.get_index_type())
    chosen = rows.with_row_index(_PLACE).filter(pl.col(_PLACE).is_in(wanted.implode()))
    return [chosen.drop(_PLACE)] if places else []


def _read_uids(path: Path) -> Uids | None:
    try:
        with pq.ParquetFile(path) as file:
            column = file.read([_UID], use_threads=False).column(0)
    except pa.ArrowInvalid:  # whoever reads its rows says what is wrong with it
        return None
    if not pa.types.is_string(column.type):
        return None
    parts = [_fixed(chunk) for chunk in column.chunks if len(chunk)]
    kept = [one for one in parts if one is not None]
    if not kept or len(kept) < len(parts) or len({one.dtype for one in kept}) > 1:
        return None
    uids = np.concatenate(kept)  # a copy, so that no buffer of the reader's lives on
    return uids if bool((uids[:-1] <= uids[1:]).all()) else None


def _fixed(chunk: pa.StringArray) -> Uids | None:
    """Texts of one length as such; None where they are not."""
    _, offsets, data = chunk.buffers()
    bounds = np.frombuffer(offsets, np.int32)[chunk.offset : chunk.offset + len(chunk) + 1]
    widths = np.diff(bounds)
    width, first = int(widths[0]), int(bounds[0])
    if chunk.null_count or not 0 < width <= _MAX_LENGTH or (widths != width).any():
        return None
    # Zeros at the end of such a text are taken for none.
    if not np.frombuffer(data, np.uint8, len(chunk) * width, first).all():
        return None
    return np.frombuffer(data, f"S{width}", len(chunk), first)
