"""safetensors files: named plain arrays, read with bounds and without running anything.

A file is 8 bytes (length of the header, little-endian), the header (JSON: name to dtype, shape and
`data_offsets` into the rest), and the arrays' bytes. The header must describe every byte once.
Writing is deterministic: names in order, so that the same arrays are the same file.

Source: https://github.com/huggingface/safetensors (format description).
"""

import json
from collections.abc import Mapping
from math import prod
from typing import TypeGuard

import numpy as np
import numpy.typing as npt

from .reading import ArtifactError

Array = npt.NDArray[np.generic]

_DTYPES: dict[str, np.dtype[np.generic]] = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype("u1"),
    "I8": np.dtype("i1"),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "F16": np.dtype("<f2"),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "F32": np.dtype("<f4"),
    "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"),
    "F64": np.dtype("<f8"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_MAX_HEADER = 4 << 20
_ALIGN = 8


def write_tensors(arrays: Mapping[str, Array]) -> bytes:
    """Arrays by name as a safetensors file. Raises ValueError for a dtype that it has not."""
    header: dict[str, object] = {}
    parts: list[bytes] = []
    at = 0
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        dtype = array.dtype.newbyteorder("<") if array.dtype.itemsize > 1 else array.dtype
        if dtype not in _NAMES:
            raise ValueError(f"{name}: safetensors has no {array.dtype}")
        data = array.astype(dtype, copy=False).tobytes()
        header[name] = {
            "dtype": _NAMES[dtype],
            "shape": list(arrays[name].shape),
            "data_offsets": [at, at + len(data)],
        }
        parts.append(data)
        at += len(data)
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGN)
    return len(text).to_bytes(8, "little") + text + b"".join(parts)


def read_tensors(data: bytes, file: str) -> dict[str, Array]:
    """Arrays of a safetensors file by name, read-only views. Raises ArtifactError naming `file`."""
    header, rest = _header(data, file)
    spans: list[tuple[int, int]] = []
    arrays: dict[str, Array] = {}
    for name, facts in header.items():
        if name == "__metadata__":
            continue
        dtype, shape, start, stop = _described(facts, len(rest), f"{file}, {name}")
        spans.append((start, stop))
        arrays[name] = np.frombuffer(rest[start:stop], dtype).reshape(shape)
    at = 0
    for start, stop in sorted(spans):
        if start != at:
            raise ArtifactError(f"bytes {at} to {start} are of no or of two arrays", where=file)
        at = stop
    if at != len(rest):
        raise ArtifactError(f"{len(rest) - at} bytes are of no array", where=file)
    return arrays


def _header(data: bytes, file: str) -> tuple[dict[str, object], memoryview]:
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 2 <= size <= min(_MAX_HEADER, len(data) - 8):
        raise ArtifactError("is no safetensors file: its header has no possible length", where=file)
    try:
        header = json.loads(data[8 : 8 + size], object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"is no safetensors file: {error}", where=file) from error
    if not isinstance(header, dict):
        raise ArtifactError("is no safetensors file: its header is no object", where=file)
    return header, memoryview(data)[8 + size :]


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands in it twice")
    return found


def _described(
    facts: object, size: int, where: str
) -> tuple[np.dtype[np.generic], tuple[int, ...], int, int]:
    if not isinstance(facts, dict):
        raise ArtifactError("is described by no object", where=where)
    dtype = _DTYPES.get(str(facts.get("dtype")))
    shape, span = facts.get("shape"), facts.get("data_offsets")
    if dtype is None:
        raise ArtifactError(f"has a dtype that is not read: {facts.get('dtype')}", where=where)
    if not _counts(shape) or len(shape) > 8:
        raise ArtifactError("has no possible shape", where=where)
    if not _counts(span) or len(span) != 2 or not span[0] <= span[1] <= size:
        raise ArtifactError("lies outside of the file", where=where)
    if prod(shape) * dtype.itemsize != span[1] - span[0]:
        raise ArtifactError("has another size than its shape says", where=where)
    return dtype, tuple(shape), span[0], span[1]


def _counts(value: object) -> TypeGuard[list[int]]:
    return isinstance(value, list) and all(
        isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in value
    )
