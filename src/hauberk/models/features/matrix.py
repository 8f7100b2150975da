"""What every feature set yields: named numbers and, where it has them, hashed grams."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .hashing import Longs, Rows

Array = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Matrix:
    """One row a record: `dense` is height x len(names), finite; `sparse` has the same height."""

    dense: NDArray[np.float32]
    sparse: Rows | None

    @property
    def height(self) -> int:
        """How many records."""
        return len(self.dense)

    def take(self, rows: Longs) -> "Matrix":
        """These rows, in this order."""
        return Matrix(self.dense[rows], None if self.sparse is None else self.sparse.take(rows))


@dataclass(frozen=True, slots=True)
class Learned:
    """What a feature set learned from training data: a schema (JSON) and plain arrays by name."""

    schema: Mapping[str, Any]
    arrays: Mapping[str, Array]


def joined(parts: list[Matrix]) -> Matrix:
    """Matrices of one feature set, one below the other."""
    dense = np.concatenate([part.dense for part in parts])
    sparse = [part.sparse for part in parts if part.sparse is not None]
    if not sparse:
        return Matrix(dense, None)
    lengths = np.concatenate([np.diff(one.starts) for one in sparse])
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    columns = np.concatenate([one.columns for one in sparse])
    values = np.concatenate([one.values for one in sparse])
    return Matrix(dense, Rows(starts, columns, values, sparse[0].width))
