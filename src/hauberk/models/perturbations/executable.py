"""What can be changed in a Windows executable that still runs: padding and unused header fields.

Bytes appended change size and entropy of the file; fields that the loader ignores are copied from
an ordinary program (mimicry). Code, sections and alignment stay.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hauberk.models.features.executable import COLUMNS, FREE

_FREE = np.array([COLUMNS.index(name) for name in FREE])
_SIZE, _ENTROPY = COLUMNS.index("filesize"), COLUMNS.index("E_file")


def perturb_executables(
    records: Sequence[Any], donors: Sequence[Any], random: np.random.Generator
) -> list[Any]:
    """One variant a row of numbers: some free fields copied from a donor, some padding appended."""
    made = []
    for record in records:
        row = np.array(record, dtype=np.float64)
        if len(donors):
            donor = np.asarray(donors[int(random.integers(0, len(donors)))], dtype=np.float64)
            copied = _FREE[random.random(len(_FREE)) < 0.6]
            row[copied] = donor[copied]
        made.append(_padded(row, random))
    return made


def _padded(row: NDArray[np.float64], random: np.random.Generator) -> tuple[float, ...]:
    if random.random() < 0.6:
        size = max(row[_SIZE], 1.0)
        added = size * float(random.uniform(0.05, 1.0))
        level = float(random.uniform(0.0, 8.0))
        row[_ENTROPY] = min(8.0, (row[_ENTROPY] * size + level * added) / (size + added) + 0.2)
        row[_SIZE] = size + added
    return tuple(row.tolist())
