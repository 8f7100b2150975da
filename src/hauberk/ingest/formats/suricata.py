"""Suricata's EVE records: alerts, flows, and what its parsers saw of the protocols.

Source: Suricata user guide, EVE JSON format; DNS in its versions 1 to 3.
"""

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import PurePath

import polars as pl

from hauberk.events import EventClass, EventGroup, LogKey, Status, from_iso, schema
from hauberk.ingest.interface import Framing, Parsed, ParsedGroup, RecordBatch, Reject

from .heads import line_objects, readable_head
from .json_lines import JsonFields, JsonRecords, parse_json_document, parse_json_lines
from .json_paths import JsonPaths, typed

_TYPE_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_TECHNIQUE = re.compile(r"\bT\d{4}(?:[._]\d{3})?\b")
_IN_DOCUMENT = re.compile(rb'"event_type"\s{0,8}:\s{0,8}"[a-z0-9_]+"')
_OF_SURICATA = re.compile(rb'"(?:flow_id|src_ip|signature_id|pcap_cnt)"\s{0,8}:')
_DNS_PORT = 53
_MAX_ANSWERS = 256
_MAX_TYPES = 64
_UNKNOWN_TYPE = "unknown"

# Suricata's priorities run from 1, the gravest; OCSF's severities from 1, the least.
_SEVERITIES = {1: 4, 2: 3, 3: 2}
_INFORMATIONAL = 1


@dataclass(frozen=True, slots=True)
class EveType:
    """What the records of one `event_type` become."""

    event_class: EventClass
    activity: int | str
    columns: Mapping[str, str]
    activities: Mapping[str, int] = field(default_factory=dict)


@cache
def _types() -> Mapping[str, EveType]:
    text = resources.files(__package__).joinpath("suricata.toml").read_text("utf-8")
    read = tomllib.loads(text)
    types = {}
    for name, spec in read["type"].items():
        event_class = EventClass[spec["class"].upper()]
        known = schema(event_class)
        shared = {**read["endpoints"], **read["connection"]}
        columns = {column: path for column, path in shared.items() if column in known}
        types[name] = EveType(
            event_class, spec["activity"], columns | spec["columns"], spec.get("activities", {})
        )
    types[""] = EveType(EventClass.BASE_EVENT, 0, read["endpoints"])
    return types


class Suricata:
    """EVE as Suricata writes it: one object a line."""

    name = "suricata"
    version = "1"
    framing = Framing.LINES

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By the keys that every EVE record has."""
        found = line_objects(head)
        return 0.95 if any(map(_is_eve, found)) else 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        """Events of one chunk, by event type."""
        return _parsed(parse_json_lines(records))


class SuricataDocument:
    """EVE records that were gathered into one document, pretty-printed or not."""

    name = "suricata-document"
    version = "1"
    framing = Framing.DOCUMENT

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By the keys that every EVE record has, where they do not stand one object a line."""
        start = readable_head(head)
        if start[:1] not in {b"{", b"["} or line_objects(head):
            return 0.0
        return 0.9 if _IN_DOCUMENT.search(start) and _OF_SURICATA.search(start) else 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        """Events of one document, by event type."""
        return _parsed(parse_json_document(records))


def _is_eve(record: Mapping[str, object]) -> bool:
    return (
        isinstance(record.get("event_type"), str)
        and "timestamp" in record
        and not {"flow_id", "src_ip", "stats", "engine", "pcap_cnt"}.isdisjoint(record)
    )


def _parsed(found: JsonRecords) -> Parsed:
    by_type: dict[str, list[int]] = {}
    rejects = list(found.rejects)
    for at, row in enumerate(found.rows):
        name = row.get("event_type")
        if type(name) is not str:
            number = int(found.numbers[at])
            place = int(found.offsets[number]), int(found.lengths[number])
            rejects.append(Reject(*place, "no event_type; expected an EVE record"))
            continue
        crowded = name not in by_type and len(by_type) >= _MAX_TYPES
        if crowded or not _TYPE_NAME.fullmatch(name):
            name = _UNKNOWN_TYPE
        by_type.setdefault(name, []).append(at)
    groups = []
    for name, positions in by_type.items():
        rows = [found.rows[i] for i in positions]
        kind = _types().get(name, _types()[""])
        events = _events(name, kind, rows)
        group = EventGroup(LogKey("suricata", name), kind.event_class, events, JsonFields(rows))
        groups.append(ParsedGroup(group, found.numbers[positions]))
    return Parsed(
        groups,
        found.offsets,
        found.lengths,
        rejects=rejects,
        raw=found.raw,
        raw_format=None if found.raw is None else SuricataDocument.name,
    )


def _events(name: str, kind: EveType, rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    paths = JsonPaths(rows)
    times = from_iso(typed(paths.values("timestamp"), pl.String()))
    frame = pl.DataFrame([times.alias("time")])
    frame = frame.hstack(paths.frame(kind.columns, kind.event_class))
    frame = frame.with_columns(
        pl.lit("suricata").alias("metadata.product.name"),
        pl.lit(name).alias("metadata.log_name"),
        pl.lit("").alias("metadata.event_code"),
        _activity(kind, paths).alias("activity_id"),
    )
    for column in ("connection_info.protocol_name", "app_name"):
        if column in frame.columns:
            lower = pl.col(column).str.to_lowercase()
            # "failed" says that no protocol was recognised.
            frame = frame.with_columns(pl.when(lower != "failed").then(lower).alias(column))
    finish = _FINISHED.get(name)
    return finish(frame, paths) if finish else frame


def _activity(kind: EveType, paths: JsonPaths) -> pl.Series:
    if isinstance(kind.activity, int):
        return pl.Series([kind.activity] * len(paths), dtype=pl.Int32())
    said = typed(paths.values(kind.activity), pl.String())
    return said.replace_strict(kind.activities, default=99, return_dtype=pl.Int32())


def _alert(frame: pl.DataFrame, paths: JsonPaths) -> pl.DataFrame:
    gid = typed(paths.values("alert.gid"), pl.Int64()).fill_null(1).cast(pl.String)
    sid = typed(paths.values("alert.signature_id"), pl.Int64()).cast(pl.String)
    priority = typed(paths.values("alert.severity"), pl.Int64())
    severity = priority.replace_strict(_SEVERITIES, default=_INFORMATIONAL, return_dtype=pl.Int32())
    metadata = [
        _techniques(of_metadata, of_alert)
        for of_metadata, of_alert in zip(
            paths.values("alert.metadata"), paths.values("alert"), strict=True
        )
    ]
    return frame.with_columns(
        (gid + ":" + sid).alias("finding_info.analytic.uid"),
        severity.set(priority.is_null(), 0).alias("severity_id"),
        typed(metadata, pl.List(pl.String())).alias("finding_info.attacks"),
    )


def _techniques(metadata: object, alert: object) -> list[str] | None:
    """ATT&CK ids that the rule's author gave, under whichever of the usual keys."""
    found: list[str] = []
    for holder in (metadata, alert):
        if type(holder) is dict:
            for key in ("mitre_technique_id", "mitre_attack", "mitre_technique"):
                if key in holder:
                    found += _TECHNIQUE.findall(str(holder[key])[:1024])
    return list(dict.fromkeys(technique.replace("_", ".") for technique in found)) or None


def _flow(frame: pl.DataFrame, paths: JsonPaths) -> pl.DataFrame:
    """A flow began at its own start; its time stamp says when the log was told of it."""
    kind = "flow" if any(type(value) is dict for value in paths.values("flow")) else "netflow"
    start = from_iso(typed(paths.values(f"{kind}.start"), pl.String()))
    end = from_iso(typed(paths.values(f"{kind}.end"), pl.String()))
    age = typed(paths.values(f"{kind}.age"), pl.Float64())
    span = (end - start).dt.total_microseconds().cast(pl.Float64) / 1e6
    made = frame.with_columns(start.alias("start"), span.alias("span"), age.alias("age"))
    made = made.with_columns(
        pl.coalesce("start", "time").alias("time"),
        pl.when(pl.col("span") >= 0).then("span").otherwise("age").alias("duration"),
    ).drop("start", "span", "age")
    if "connection_info.state" in made.columns:
        state = pl.col("connection_info.state")
        never = pl.lit(value=False)
        if "connection_info.protocol_name" in made.columns:
            never = (state == "new") & (pl.col("connection_info.protocol_name") == "tcp")
        made = made.with_columns(
            pl.when(state.is_in(["established", "closed"]))
            .then(int(Status.SUCCESS))
            .when(never)
            .then(int(Status.FAILURE))
            .otherwise(int(Status.UNKNOWN))
            .cast(pl.Int32)
            .alias("status_id")
        )
    return made


def _dns(frame: pl.DataFrame, paths: JsonPaths) -> pl.DataFrame:
    answers = [
        _answers(answers, grouped, rdata)
        for answers, grouped, rdata in zip(
            paths.values("dns.answers"),
            paths.values("dns.grouped"),
            paths.values("dns.rdata"),
            strict=True,
        )
    ]
    frame = frame.with_columns(typed(answers, pl.List(pl.String())).alias("answers"))
    asked = [_first_query(value) for value in paths.values("dns.queries")]
    if any(asked):  # version 3 asks in a list
        queries = JsonPaths(asked)
        frame = _filled(frame, "query.hostname", typed(queries.values("rrname"), pl.String()))
        frame = _filled(frame, "query.type", typed(queries.values("rrtype"), pl.String()))
    return _client_first(frame)


def _filled(frame: pl.DataFrame, name: str, values: pl.Series) -> pl.DataFrame:
    if name not in frame.columns:
        return frame.with_columns(values.alias(name))
    return frame.with_columns(frame[name].fill_null(values))


def _first_query(value: object) -> dict[str, object]:
    first = value[0] if isinstance(value, list) and value else None
    return first if isinstance(first, dict) else {}


def _answers(answers: object, grouped: object, rdata: object) -> list[str] | None:
    """What was answered, in any of the shapes that Suricata has written it in."""
    found: list[str] = []
    if isinstance(answers, list):
        for answer in answers[:_MAX_ANSWERS]:
            data = answer.get("rdata") if isinstance(answer, dict) else None
            if isinstance(data, str):
                found.append(data)
    if not found and isinstance(grouped, dict):
        for members in grouped.values():
            if isinstance(members, list):
                found += [member for member in members[:_MAX_ANSWERS] if isinstance(member, str)]
    if not found and isinstance(rdata, str):
        found.append(rdata)
    return found or None


def _client_first(frame: pl.DataFrame) -> pl.DataFrame:
    """Answers that older versions log from the server's side, turned round."""
    ends = ("src_endpoint.ip", "src_endpoint.port", "dst_endpoint.ip", "dst_endpoint.port")
    if any(name not in frame.columns for name in ends):
        return frame
    turned = (pl.col(ends[1]) == _DNS_PORT) & (pl.col(ends[3]) != _DNS_PORT)
    turned = turned.fill_null(value=False)
    return frame.with_columns(
        pl.when(turned).then(ends[there]).otherwise(ends[here]).alias(ends[here])
        for here, there in ((0, 2), (1, 3), (2, 0), (3, 1))
    )


def _file(frame: pl.DataFrame, paths: JsonPaths) -> pl.DataFrame:
    hashes = []
    for name in ("md5", "sha1", "sha256"):
        value = typed(paths.values(f"fileinfo.{name}"), pl.String())
        hashes.append((f"{name.upper()}=" + value).alias(name))
    joined = pl.DataFrame(hashes).select(
        pl.concat_str(pl.all(), separator=",", ignore_nulls=True).alias("file.hashes")
    )
    frame = frame.with_columns(joined["file.hashes"].replace("", None))
    if "file.path" in frame.columns:
        last = pl.col("file.path").str.extract(r"([^/\\]*)$")
        frame = frame.with_columns(last.alias("file.name"))
    return frame


_FINISHED: Mapping[str, Callable[[pl.DataFrame, JsonPaths], pl.DataFrame]] = {
    "alert": _alert,
    "flow": _flow,
    "netflow": _flow,
    "dns": _dns,
    "fileinfo": _file,
}
