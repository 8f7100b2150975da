"""Where the records of a JSON document begin and end, without parsing it."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]

_BLANK = b" \t\r\n,\x1e\xef\xbb\xbf"
_LOOK_BACK = 256

_OPEN = np.zeros(256, np.int8)
_OPEN[[ord("{"), ord("[")]] = 1
_OPEN[[ord("}"), ord("]")]] = -1
_STRUCTURE = np.zeros(256, bool)
_STRUCTURE[[ord(c) for c in '{}[],"']] = True


def document_spans(data: bytes, keys: Sequence[str] = ()) -> tuple[Numbers, Numbers]:
    """Start and end of every record in `data`, in order.

    See `parse_json_document` for what a record is. Broken text yields spans as well; whether a
    span is JSON is for the parser to say. Every byte that is no white space or comma between
    top-level values lies in a span or belongs to the array or object that wraps the records.
    """
    marks = _structure(data)
    kinds = np.frombuffer(data, np.uint8)[marks]
    steps = _OPEN[kinds].astype(np.int64)
    depth = np.cumsum(steps)  # after each mark
    depth -= np.minimum(np.minimum.accumulate(depth), 0)  # a closer without an opener is text
    openers = np.flatnonzero((steps == 1) & (depth == 1))
    closers = np.flatnonzero((steps == -1) & (depth == 0))
    lasts = np.append(closers, len(marks) - 1)[np.searchsorted(closers, openers)]
    spans: list[tuple[int, int]] = []
    position = 0
    for first, last in zip(openers.tolist(), lasts.tolist(), strict=True):
        start = int(marks[first])
        if start < position:
            continue
        end = int(marks[last]) + 1 if depth[last] == 0 else len(data)
        _add(spans, data, position, start)
        inner = slice(first, last + 1)
        spans.extend(_records(data, marks[inner], kinds[inner], depth[inner], end, keys))
        position = end
    _add(spans, data, position, len(data))
    bounds = np.array(spans, np.int64).reshape(-1, 2)
    return bounds[:, 0], bounds[:, 1]


def _records(
    data: bytes, marks: Numbers, kinds: npt.NDArray[np.uint8], depth: Numbers, end: int,
    keys: Sequence[str],
) -> list[tuple[int, int]]:  # fmt: skip
    """Spans of the records in one top-level value, whose depth after its first mark is 1."""
    start = int(marks[0])
    if kinds[0] == ord("["):
        return _members(data, marks, kinds, depth, 0, end)
    if keys:
        wanted = tuple(b'"' + key.encode() + b'"' for key in keys)
        arrays = np.flatnonzero((kinds == ord("[")) & (depth == 2))
        for at in arrays.tolist():
            place = int(marks[at])
            before = data[max(start, place - _LOOK_BACK) : place].rstrip()
            if before.endswith(b":") and before[:-1].rstrip().endswith(wanted):
                return _members(data, marks, kinds, depth, at, end)
    return [(start, end)]


def _members(
    data: bytes, marks: Numbers, kinds: npt.NDArray[np.uint8], depth: Numbers, at: int, end: int
) -> list[tuple[int, int]]:
    """Spans of the members of the array that opens at mark number `at`."""
    level = int(depth[at])
    closing = np.flatnonzero(depth[at:] < level)
    last = at + int(closing[0]) if len(closing) else len(marks)
    stop = int(marks[last]) if len(closing) else end
    commas = np.flatnonzero((kinds[at:last] == ord(",")) & (depth[at:last] == level)) + at
    spans: list[tuple[int, int]] = []
    position = int(marks[at]) + 1
    for comma in [*marks[commas].tolist(), stop]:
        _add(spans, data, position, comma)
        position = comma + 1
    return spans


def _add(spans: list[tuple[int, int]], data: bytes, start: int, end: int) -> None:
    """Append the span without the white space and commas around it, if anything is left."""
    text = data[start:end]
    left = len(text) - len(text.lstrip(_BLANK))
    body = text.strip(_BLANK)
    if body:
        spans.append((start + left, start + left + len(body)))


def _structure(data: bytes) -> Numbers:
    """Positions of brackets, braces and commas that stand outside of strings."""
    codes = np.frombuffer(data, np.uint8)
    marks = np.flatnonzero(_STRUCTURE[codes])
    kinds = codes[marks]
    quote = kinds == ord('"')
    quote[quote] = ~_escaped(codes, marks[quote])
    inside = (np.cumsum(quote) & 1).astype(bool)
    outside: Numbers = marks[~inside & (kinds != ord('"'))]
    return outside


def _escaped(codes: npt.NDArray[np.uint8], quotes: Numbers) -> npt.NDArray[np.bool_]:
    """Whether an odd number of backslashes stands before each of the given positions."""
    slashes = np.flatnonzero(codes == ord("\\"))
    if not len(slashes):
        return np.zeros(len(quotes), bool)
    begins = np.concatenate(([True], np.diff(slashes) != 1))
    first = np.maximum.accumulate(np.where(begins, slashes, 0))
    length = slashes - first + 1  # backslashes in a row, up to and including this one
    before = np.searchsorted(slashes, quotes) - 1
    touches = (before >= 0) & (slashes[before] == quotes - 1)
    odd: npt.NDArray[np.bool_] = touches & (length[before] % 2 == 1)
    return odd
