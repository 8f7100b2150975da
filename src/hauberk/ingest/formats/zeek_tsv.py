"""Zeek's tab-separated logs: header lines, and the lines below them as columns."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from .frame_fields import FrameFields, as_kind
from .heads import readable_head
from .separated import separators_in, split_columns
from .zeek_logs import UNKNOWN_LOG, facts, is_list, kind_of, log_name, log_of_fields, source_type

_MAX_FIELDS = 1024
_ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|(\\))")
# IoT-23 joins its label columns to the last field of Zeek's with three spaces.
_JOINED_LABELS = re.compile(r"(\S+) {3}label {3}detailed-label")
_JOINT = "   "
_EPOCH = re.compile(r"\d{1,11}(\.\d{1,9})?")
_UID = re.compile(r"C[0-9A-Za-z]{8,20}")
_ADDRESS = re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)")
_TRANSPORTS = frozenset({"tcp", "udp", "icmp", "unknown_transport"})
_CONN_STATES = frozenset(
    "S0 S1 S2 S3 SF REJ RSTO RSTR RSTOS0 RSTRH SH SHR OTH".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Header:
    """What the header lines say. `fields` is empty where none has been seen."""

    separator: bytes = b"\t"
    set_separator: str = ","
    empty: str = "(empty)"
    unset: str = "-"
    path: str = ""
    fields: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    joined_labels: bool = False

    @property
    def log(self) -> str:
        """Name of the log."""
        name = log_name(self.path)
        return log_of_fields(self.fields) if name == UNKNOWN_LOG else name

    def type_of(self, name: str) -> str:
        """The Zeek type of a field: as #types says, else as Zeek's own logs have it."""
        at = self.fields.index(name)
        if at < len(self.types):
            return self.types[at]
        return facts().types.get(name, "string")


def is_directive(text: bytes) -> bool:
    """Whether the line is a header line or a comment, and no record."""
    return text.startswith(b"#")


def follow(header: Header, text: bytes) -> Header:
    """The header after one more header line; a comment changes nothing."""
    line = text.decode("utf-8", "replace")
    if line.startswith("#separator "):
        separator = _unescape(line.removeprefix("#separator ").strip().encode())
        # A separator of several bytes or beyond ASCII has never been seen; a line end is none.
        usable = len(separator) == 1 and separator.isascii() and separator not in b"\n\r#"
        return replace(header, separator=separator) if usable else header
    word, _, rest = line[1:].partition(header.separator.decode("ascii"))
    match word:
        case "set_separator":
            return replace(
                header, set_separator=_unescape(rest.encode()).decode("utf-8", "replace")
            )
        case "empty_field":
            return replace(header, empty=rest)
        case "unset_field":
            return replace(header, unset=rest)
        case "path":
            return replace(header, path=rest)
        case "types":
            types = rest.split(header.separator.decode("ascii"), _MAX_FIELDS)
            return replace(header, types=tuple(types))
        case "fields":
            return _with_fields(header, rest)
    return header


def _with_fields(header: Header, rest: str) -> Header:
    fields = rest.split(header.separator.decode("ascii"), _MAX_FIELDS)
    joined = _JOINED_LABELS.fullmatch(fields[-1])
    if joined:
        fields[-1] = joined[1]
    doubtful = len(fields) > _MAX_FIELDS or len(set(fields)) < len(fields) or "" in fields
    if doubtful or facts().labels.issuperset(fields):
        return replace(header, fields=(), types=(), joined_labels=False)
    return replace(header, fields=tuple(fields), types=(), joined_labels=joined is not None)


def header_of(head: bytes) -> Header:
    """The header that a file's start sets."""
    header = Header()
    for text in _lines(head):
        if is_directive(text):
            header = follow(header, text)
    return header


def _lines(head: bytes) -> Iterator[bytes]:
    whole = readable_head(head)
    for line in whole.split(b"\n")[:-1]:
        yield line.rstrip(b"\r")


def guess_header(text: bytes) -> Header:
    """The header of a file that has none, from the shape of one line; without fields if unsure."""
    values = text.decode("utf-8", "replace").split("\t")
    for log, fields in facts().headerless.items():
        if len(values) == len(fields) and _has_shape(log, values):
            return Header(path=log, fields=fields)
    return Header()


def _has_shape(log: str, values: Sequence[str]) -> bool:
    if not (
        _EPOCH.fullmatch(values[0])
        and _UID.fullmatch(values[1])
        and all(_ADDRESS.fullmatch(values[i]) for i in (2, 4))
        and all(values[i].isdecimal() for i in (3, 5))
        and values[6] in _TRANSPORTS
    ):
        return False
    return values[11] in _CONN_STATES if log == "conn" else values[7].isdecimal()


@dataclass(frozen=True, slots=True)
class Table:
    """Lines under one header: both views' columns, and which of the lines have them.

    `good` are positions among the lines that hold as many values as there are fields.
    """

    source: pl.DataFrame
    fields: FrameFields
    good: npt.NDArray[np.int64]


def read_table(header: Header, texts: Sequence[bytes], needed: Sequence[str]) -> Table:
    """Lines under `header` as columns; `needed` are the fields that `Table.source` holds, typed."""
    counts = separators_in(texts, header.separator)
    good = np.flatnonzero(counts == len(header.fields) - 1)
    kept = texts if len(good) == len(texts) else [texts[i] for i in good.tolist()]
    frame = split_columns(kept, header.separator, header.fields, header.unset)
    if header.joined_labels:
        last = pl.col(header.fields[-1]).str.split(_JOINT).list.first()
        frame = frame.with_columns(
            pl.when(last != header.unset).then(last).alias(last.meta.output_name())
        )
    frame = frame.drop(facts().labels, strict=False)
    escaped = b"\\" in b"".join(kept)
    kinds: dict[str, pl.DataType] = {}
    shaped: list[pl.Series] = []
    for series in frame:
        zeek_type = header.type_of(series.name)
        kind = kind_of(zeek_type)
        if kind is not None:
            kinds[series.name] = kind
            shaped.append(series)
        elif is_list(zeek_type):
            shaped.append(_as_list(series, header, escaped=escaped))
        else:
            shaped.append(_as_text(series, header, escaped=escaped))
    frame = pl.DataFrame(shaped)
    columns = [_as_source(frame[name]) for name in needed if name in frame.columns]
    if "ts" not in frame.columns:
        columns.append(pl.Series("ts", [None] * frame.height, dtype=pl.Float64()))
    source = pl.DataFrame(columns)
    return Table(source, FrameFields(frame, kinds), good)


def _as_source(series: pl.Series) -> pl.Series:
    """A column as `events_of` expects it, whatever type the file gave it."""
    wanted = source_type(series.name)
    if series.dtype == wanted:
        return series
    if isinstance(wanted, pl.List):
        return series.cast(pl.String).reshape((-1, 1)).arr.to_list().alias(series.name)
    if isinstance(series.dtype, pl.List):
        series = series.list.first()
    return series if wanted == pl.String() else as_kind(series, wanted)


def _as_text(series: pl.Series, header: Header, *, escaped: bool) -> pl.Series:
    if header.empty:
        series = (
            series.to_frame()
            .select(
                pl.when(pl.first() == header.empty)
                .then(pl.lit(""))
                .otherwise(pl.first())
                .alias(series.name)
            )
            .to_series()
        )
    return _unescaped(series) if escaped else series


def _as_list(series: pl.Series, header: Header, *, escaped: bool) -> pl.Series:
    """A set or vector: members split, `(empty)` without members."""
    present = series.is_not_null()
    members = (
        series.str.split(header.set_separator)
        if header.set_separator
        else series.reshape((-1, 1)).arr.to_list()
    )
    if escaped and series.str.contains("\\", literal=True).any():
        row = pl.DataFrame({"row": pl.int_range(len(series), eager=True), "member": members})
        flat = row.explode("member")
        flat = flat.with_columns(_unescaped(flat["member"]))
        members = flat.group_by("row", maintain_order=True).agg("member")["member"]
    frame = pl.DataFrame({"text": series, "members": members, "present": present})
    return frame.select(
        pl.when("present")
        .then(
            pl.when(pl.col("text").is_in([header.empty, ""]))
            .then(pl.lit([], pl.List(pl.String)))
            .otherwise("members")
        )
        .alias(series.name)
    ).to_series()


def _unescaped(series: pl.Series) -> pl.Series:
    r"""`\xNN` and `\\` undone, once per distinct value that has any."""
    marked = series.filter(series.str.contains("\\", literal=True).fill_null(value=False)).unique()
    if not len(marked):
        return series
    plain = [_unescape(text.encode()).decode("utf-8", "backslashreplace") for text in marked]
    return series.replace(marked, pl.Series(plain, dtype=pl.String))


def _unescape(text: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()) if found[1] else b"\\", text)
