"""Syslog files: RFC 3164, rsyslog's ISO times, RFC 5424; auth.log, secure, messages, syslog.

Sources: RFC 3164, RFC 5424, and the sources of OpenSSH, sudo, shadow, Linux-PAM and cron.
"""

from pathlib import PurePath

import numpy as np
import polars as pl

from hauberk.events import EventClass, LogKey
from hauberk.ingest.interface import Framing, Parsed, ParsedGroup, RecordBatch, Reject

from .lines import Numbers, split_lines
from .syslog_lines import facilities, read_lines, severities, times
from .syslog_messages import meaning_columns, meanings, services
from .sysmon_linux import is_sysmon, sysmon_groups
from .timed import kept_of, rejects_at, timed_group

_OF_JSON = frozenset((b"{", b"}", b"[", b"]", b'"', b","))
_SNIFFED = 40
_SNIFFED_LENGTH = 2000


class Syslog:
    """Lines that begin with a time, a host and a program.

    Lines without a year are dated by the file's own time stamp (see `syslog_lines.times`).
    """

    name = "syslog"
    version = "1"
    framing = Framing.LINES

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By the share of the first lines that begin as syslog lines do."""
        lines = [line for line in head[: 64 << 10].split(b"\n")[:_SNIFFED] if line.strip()]
        if len(lines) > 1 and not head.endswith(b"\n"):
            lines = lines[:-1]
        if not lines:
            return 0.0
        if all(line.lstrip()[:1] in _OF_JSON for line in lines):
            return (
                0.0  # told at once: what follows takes a millisecond, which counts in small files
            )
        texts = [line[:_SNIFFED_LENGTH].decode("utf-8", "replace").rstrip("\r") for line in lines]
        read = read_lines(pl.Series(texts, dtype=pl.String))
        fits = (read["host"].is_not_null() & read["message"].is_not_null()).sum()
        return 0.85 * int(fits) / len(texts)

    def parse(self, records: RecordBatch) -> Parsed:
        """Events of one chunk, by service and class."""
        lines = split_lines(records)
        places = (lines.offsets, lines.lengths)
        texts = [text.decode("utf-8", "replace") for text in lines.texts]
        read = read_lines(pl.Series(texts, dtype=pl.String))
        known = read["host"].is_not_null() & read["message"].is_not_null()
        time = times(read, records.modified)
        rejects = rejects_at(
            np.flatnonzero(~known.to_numpy()).tolist(),
            "does not begin as a syslog line does; expected time, host and program",
            lines.numbers, places,
        )  # fmt: skip
        keep = known.to_numpy()
        table = read.with_columns(time=time).filter(known)
        source, numbers = _source(table), lines.numbers[keep]
        xml = is_sysmon(source["program"], source["message"])
        is_xml = xml.to_numpy()
        groups, untimed = message_groups(
            source.filter(~xml), _shown(table.filter(~xml)), numbers[~is_xml], places
        )
        if is_xml.any():
            more, late = sysmon_groups(source.filter(xml), numbers[is_xml], places)
            groups, untimed = [*groups, *more], [*untimed, *late]
        return Parsed(groups, *places, rejects=[*lines.rejects, *rejects, *untimed])


def message_groups(
    source: pl.DataFrame, shown: pl.DataFrame, numbers: Numbers, places: tuple[Numbers, Numbers]
) -> tuple[list[ParsedGroup], list[Reject]]:
    """Events by service and class, out of messages with a time, host, program and message.

    `source` has time, device.hostname, program, message, facility, severity_id and pid; `shown`
    the source's own fields of the same rows; row i is record `numbers[i]`.
    """
    meant = meanings(source["program"], source["message"])
    events = source.select(
        "time", "message", "device.hostname", "severity_id",
        pl.lit("linux").alias("metadata.product.name"),
        pl.col("program").alias("metadata.log_name"),
        pl.col("pid").cast(pl.Int64(), strict=False).alias("actor.process.pid"),
    ).hstack(meant)  # fmt: skip
    service = services(source["program"], source["facility"])
    kinds = pl.DataFrame({"service": service, "class": meant["class"]}).with_row_index("at")
    groups: list[ParsedGroup] = []
    rejects: list[Reject] = []
    for kind in kinds.group_by("service", "class", maintain_order=True).agg("at").iter_rows():
        name, uid, at = str(kind[0]), int(kind[1]), pl.Series(kind[2], dtype=pl.UInt32)
        event_class = EventClass(uid)
        part = events[at].select(meaning_columns(event_class, events))
        fields = shown[at]
        made, untimed = timed_group(
            LogKey("linux", name), event_class, part, kept_of(fields),
            numbers[at.to_numpy()], places,
        )  # fmt: skip
        groups += made
        rejects += untimed
    return groups, rejects


def _source(table: pl.DataFrame) -> pl.DataFrame:
    return table.select(
        "time", "program", "message", "pid",
        pl.col("host").alias("device.hostname"),
        facilities(table["pri"]).alias("facility"),
        severities(table["pri"]).alias("severity_id"),
    )  # fmt: skip


def _shown(table: pl.DataFrame) -> pl.DataFrame:
    """What a rule may ask for: the line's own parts."""
    return table.select(
        "program", "pid", "message", "msgid", "structured",
        pl.col("host").alias("hostname"),
        pl.col("pri").alias("priority"),
    )  # fmt: skip
