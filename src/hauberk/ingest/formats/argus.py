"""Argus flow tables as comma- or tab-separated text, CTU-13's `.binetflow` among them.

Source: `ra(1)` of Argus clients; its columns as CTU-13 prints them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import polars as pl

from hauberk.events import EventClass, EventGroup, LogKey, Status, from_epoch_seconds, from_iso
from hauberk.ingest.interface import Framing, Parsed, ParsedGroup, RecordBatch, Reject

from .frame_fields import FrameFields
from .heads import readable_head
from .lines import split_lines
from .separated import separators_in, split_columns

_FIELDS = (
    "StartTime", "Dur", "Proto", "SrcAddr", "Sport", "Dir", "DstAddr", "Dport", "State", "sTos",
    "dTos", "TotPkts", "TotBytes", "SrcBytes", "SrcPkts", "Label",
)  # fmt: skip
_NEEDED = frozenset({"StartTime", "Proto", "SrcAddr", "DstAddr"})
_LABELS = frozenset({"Label", "label", "detailed-label", "detailedlabel", "detailed_label"})
_NUMBERS = {
    "Dur": pl.Float64(), "sTos": pl.Int64(), "dTos": pl.Int64(), "TotPkts": pl.Int64(),
    "TotBytes": pl.Int64(), "SrcBytes": pl.Int64(), "SrcPkts": pl.Int64(),
    "DstBytes": pl.Int64(), "DstPkts": pl.Int64(),
}  # fmt: skip
_ADDRESS = r"^(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}|[0-9a-fA-F.]*:[0-9a-fA-F:.]*)$"
_TRAFFIC = 6
_SIDES = (
    ("src_endpoint.ip", "dst_endpoint.ip"),
    ("src_endpoint.port", "dst_endpoint.port"),
    ("traffic.bytes_out", "traffic.bytes_in"),
    ("traffic.packets_out", "traffic.packets_in"),
)
_MAX_FIELDS = 128
_TIME = re.compile(rb"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(\.\d+)?")
_MAC = r"^[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}$"


@dataclass(frozen=True, slots=True)
class _Layout:
    separator: bytes
    fields: tuple[str, ...]


class Argus:
    """Argus flows. A label that others added to them reaches neither view."""

    name = "argus"
    version = "1"
    framing = Framing.LINES

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By the names of the columns, or by the shape of the first line where there are none."""
        first = _first_line(head)
        if _header(first):
            return 0.97
        return 0.6 if _guess(first) else 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        """Flows of one chunk."""
        lines = split_lines(records)
        start = _first_line(records.data if records.offset == 0 else records.head)
        layout = _header(start) or (_guess(lines.texts[0]) if lines.texts else None)
        header = [i for i, text in enumerate(lines.texts) if text.startswith(b"StartTime")]
        gone = lines.numbers[[i for i in header if _header(lines.texts[i])]]
        bodies = np.delete(np.arange(len(lines.texts)), np.searchsorted(lines.numbers, gone))
        stays = np.ones(len(lines.offsets), bool)
        stays[gone] = False
        number = np.cumsum(stays) - 1
        offsets, lengths = lines.offsets[stays], lines.lengths[stays]
        rejects = list(lines.rejects)
        groups: list[ParsedGroup] = []
        texts = [lines.texts[i] for i in bodies.tolist()]
        if layout is None:
            good, reason = np.zeros(0, np.int64), "no header says what its columns are"
        else:
            counts = separators_in(texts, layout.separator)
            good = np.flatnonzero(counts == len(layout.fields) - 1)
            reason = f"not the {len(layout.fields)} values that the header names"
        for at in np.delete(np.arange(len(texts)), good).tolist():
            of = lines.numbers[bodies[at]]
            rejects.append(Reject(int(lines.offsets[of]), int(lines.lengths[of]), reason))
        if layout is not None and len(good):
            group = _group(layout, [texts[i] for i in good.tolist()])
            groups.append(ParsedGroup(group, number[lines.numbers[bodies[good]]]))
        return Parsed(groups, offsets, lengths, rejects=rejects)


def _first_line(head: bytes) -> bytes:
    start = readable_head(head)
    return start.split(b"\n", 1)[0].rstrip(b"\r")


def _header(line: bytes) -> _Layout | None:
    """What a header line says, or None where the line is none."""
    if not line.startswith(b"StartTime"):
        return None
    for separator in (b",", b"\t"):
        names = line.decode("utf-8", "replace").split(separator.decode(), _MAX_FIELDS)
        unique = len(set(names)) == len(names) and "" not in names
        if unique and len(names) <= _MAX_FIELDS and set(names) >= _NEEDED:
            return _Layout(separator, tuple(names))
    return None


def _guess(line: bytes) -> _Layout | None:
    """The usual columns, for a line that has their shape and no header above it."""
    for separator in (b",", b"\t"):
        values = line.split(separator)
        if not 14 <= len(values) <= 16 or not _TIME.fullmatch(values[0]):
            continue
        # The fifteenth column is either the packets of the source or a label.
        if len(values) == 15 and not values[14].isdigit():
            return _Layout(separator, (*_FIELDS[:14], "Label"))
        return _Layout(separator, _FIELDS[: len(values)])
    return None


def _group(layout: _Layout, texts: Sequence[bytes]) -> EventGroup:
    frame = split_columns(texts, layout.separator, layout.fields, "")
    frame = frame.drop(_LABELS, strict=False)
    frame = frame.with_columns(pl.col(pl.String).str.strip_chars())
    kinds = {name: kind for name, kind in _NUMBERS.items() if name in frame.columns}
    return EventGroup(
        LogKey("argus", "flow"),
        EventClass.NETWORK_ACTIVITY,
        _events(frame),
        FrameFields(frame, kinds),
    )


def _events(frame: pl.DataFrame) -> pl.DataFrame:
    for name in _FIELDS[:-1]:
        if name not in frame.columns:
            frame = frame.with_columns(pl.lit(None, pl.String()).alias(name))
    whole = {
        name: pl.col(name).cast(pl.Int64, strict=False)
        for name in ("TotPkts", "TotBytes", "SrcBytes", "SrcPkts")
    }
    state = pl.col("State")
    # CTU-13 writes a TCP state as the flags of both sides: FSPA_FSPA was answered, S_RA refused.
    answered = state.is_in(["CON", "EST", "FIN", "SF"]) | state.str.contains(r"_[A-Z]*S[A-Z]*A")
    unanswered = state.is_in(["S0", "REJ", "URP", "URH"]) | state.str.contains(r"^S[A-Z]*_R?A?$")
    time = from_iso(frame["StartTime"].str.replace_all("/", "-", literal=True))
    time = time.fill_null(from_epoch_seconds(frame["StartTime"]))
    events = frame.select(
        pl.lit("argus").alias("metadata.product.name"),
        pl.lit("flow").alias("metadata.log_name"),
        pl.lit("").alias("metadata.event_code"),
        pl.lit(_TRAFFIC, pl.Int32()).alias("activity_id"),
        time.alias("time"),
        _address("SrcAddr").alias("src_endpoint.ip"),
        _address("DstAddr").alias("dst_endpoint.ip"),
        _port("Sport").alias("src_endpoint.port"),
        _port("Dport").alias("dst_endpoint.port"),
        pl.col("Proto").str.to_lowercase().alias("connection_info.protocol_name"),
        state.alias("connection_info.state"),
        pl.when(answered)
        .then(int(Status.SUCCESS))
        .when(unanswered)
        .then(int(Status.FAILURE))
        .otherwise(int(Status.UNKNOWN))
        .cast(pl.Int32)
        .alias("status_id"),
        pl.col("Dur").cast(pl.Float64, strict=False).alias("duration"),
        whole["SrcBytes"].alias("traffic.bytes_out"),
        _rest(whole["TotBytes"], whole["SrcBytes"]).alias("traffic.bytes_in"),
        whole["SrcPkts"].alias("traffic.packets_out"),
        _rest(whole["TotPkts"], whole["SrcPkts"]).alias("traffic.packets_in"),
    )
    # `<-`: the side that Argus prints second began it.
    began_second = frame["Dir"] == "<-"
    if began_second.any():
        events = events.with_columns(began_second.fill_null(value=False).alias("turned"))
        turned = [
            pl.when("turned").then(there).otherwise(here).alias(here)
            for pair in _SIDES
            for here, there in (pair, pair[::-1])
        ]
        events = events.with_columns(turned).drop("turned")
    return events


def _rest(total: pl.Expr, part: pl.Expr) -> pl.Expr:
    """What the other side sent; null where the totals do not add up."""
    rest = total - part
    return pl.when(rest >= 0).then(rest)


def _address(name: str) -> pl.Expr:
    """An address of the network; Argus prints those of the link layer in the same column."""
    text = pl.col(name)
    return pl.when(text.str.contains(_ADDRESS) & ~text.str.contains(_MAC)).then(text)


def _port(name: str) -> pl.Expr:
    """A port, in digits or, as Argus prints ICMP types and codes, in hexadecimal."""
    text = pl.col(name)
    digits = text.str.extract(r"^0[xX]([0-9a-fA-F]{1,8})$").str.to_integer(base=16, strict=False)
    return pl.coalesce(text.cast(pl.Int64, strict=False), digits.cast(pl.Int64))
