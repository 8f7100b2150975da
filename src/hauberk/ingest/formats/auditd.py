"""The Linux audit log, raw or enriched: the records of one audit event become one event.

Records are joined within a chunk; of an audit event that a chunk's end cuts in two, each part is
an event. The joined event's raw data holds all of its lines, as one line.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath

import polars as pl

from hauberk.events import EventClass, LogKey, Status, from_epoch_seconds, schema
from hauberk.ingest.interface import Framing, Parsed, ParsedGroup, RecordBatch, Reject

from .auditd_records import (
    JOINT,
    AuditRecord,
    Fields,
    arguments,
    audit_facts,
    first,
    merged,
    read_record,
    read_records,
    socket_address,
)
from .lines import Lines, Numbers, split_lines
from .timed import kept_rows, rejects_at, timed_group

_SNIFFED = 20
_MAX_TYPES = 300
_UNSET = frozenset({"4294967295", "-1"})
_CLASSES = {event_class.table: event_class for event_class in EventClass}
_CREATE, _UPDATE = 1, 3
_LOG_ON_TWICE = frozenset({"sshd", "sshd-session", "login", "remote"})
_ECHO = 99
"""These programs follow USER_AUTH with a USER_LOGIN for the same attempt: one of them counts."""


class Auditd:
    """`type=... msg=audit(...)` lines."""

    name = "auditd"
    version = "1"
    framing = Framing.LINES

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By the share of the first lines that are audit records."""
        lines = [line for line in head.split(b"\n", _SNIFFED)[:_SNIFFED] if line.strip()]
        if len(lines) > 1 and len(lines) < _SNIFFED and not head.endswith(b"\n"):
            lines = lines[:-1]
        if not lines:
            return 0.0
        return 0.95 * sum(read_record(line[:4096]) is not None for line in lines) / len(lines)

    def parse(self, records: RecordBatch) -> Parsed:
        """Events of one chunk, by record type and class."""
        lines = split_lines(records)
        places = (lines.offsets, lines.lengths)
        # One pass over the lines: their keys differ from line to line, and reading them all at
        # once is faster than a column scan for each of the hundred keys there may be.
        by_event: dict[tuple[str, str, str], list[tuple[int, AuditRecord]]] = {}
        bad: list[int] = []
        for at, text in enumerate(lines.texts):
            found_in = read_records(text)
            if not found_in:
                bad.append(at)
            for record in found_in:
                by_event.setdefault(record.event, []).append((at, record))
        reason = "no audit record; expected type=... msg=audit(time:serial):"
        rejects = [*lines.rejects, *rejects_at(bad, reason, lines.numbers, places)]
        by_kind: dict[tuple[str, str], list[tuple[int, int, Fields]]] = {}
        for members in by_event.values():
            found = merged([record for _, record in members])
            kind, table, activity = _kind([record for _, record in members], found)
            if (kind, table) not in by_kind and len(by_kind) >= _MAX_TYPES:
                kind = ""
            node, time, _ = members[0][1].event
            found = {"_time": time, "_node": node, **found}
            by_kind.setdefault((kind, table), []).append((members[0][0], activity, found))
        groups: list[ParsedGroup] = []
        untimed: list[Reject] = []
        for (kind, table), events in by_kind.items():
            made, late = _group(kind, _CLASSES[table], events, lines.numbers, places)
            groups += made
            untimed += late
        aggregated = len(lines.texts) - len(bad) - len(by_event)
        raw = _raw(lines, by_event.values()) if aggregated else None
        return Parsed(groups, *places, aggregated, [*rejects, *untimed], raw, self.name)


def _kind(records: Sequence[AuditRecord], found: Fields) -> tuple[str, str, int]:
    """Record type that tells most, class and activity of an audit event."""
    facts = audit_facts()
    types = [record.type for record in records]
    if "EXECVE" in types:
        return "EXECVE", "process_activity", facts.types["EXECVE"][1]
    for name in types:
        if name in facts.types:
            table, activity = facts.types[name]
            if name == "USER_AUTH" and _leaf(first(found, "exe")) in _LOG_ON_TWICE:
                activity = _ECHO
            return name, table, activity
    call = first(found, "SYSCALL") or ""
    if call in facts.calls:
        table, activity = facts.calls[call]
        if table == "file_activity" and "name" not in found:
            return types[0], "base_event", 99
        if call in ("open", "openat", "openat2"):
            activity = _opened(found, call, activity)
        return types[0], table, activity
    return types[0], "base_event", 99


def _opened(found: Fields, call: str, activity: int) -> int:
    """Whether a file was created or written to, by how it was opened."""
    kinds = found.get("nametype")
    if "CREATE" in (kinds if isinstance(kinds, list) else [kinds]):
        return _CREATE
    flags = first(found, "a1" if call == "open" else "a2") or ""
    try:
        mode = int(flags[:16], 16) & (os.O_WRONLY | os.O_RDWR)
    except ValueError:
        return activity
    return _UPDATE if mode and call != "openat2" else activity


def _group(
    kind: str,
    event_class: EventClass,
    events: Sequence[tuple[int, int, Fields]],
    numbers: Numbers,
    places: tuple[Numbers, Numbers],
) -> tuple[list[ParsedGroup], list[Reject]]:
    rows = [_row(kind, event_class, activity, found) for _, activity, found in events]
    wanted = schema(event_class)
    names = [name for name in rows[0] if name in wanted]
    frame = pl.DataFrame(
        [pl.Series(name, [row[name] for row in rows], dtype=wanted[name]) for name in names]
    )
    seconds = pl.Series([str(found["_time"]) for _, _, found in events], dtype=pl.String)
    frame = frame.with_columns(from_epoch_seconds(seconds).alias("time"))
    shown = [_shown(found) for _, _, found in events]
    at = numbers[[position for position, _, _ in events]]
    return timed_group(
        LogKey("linux", "auditd", kind), event_class, frame, kept_rows(shown), at, places
    )


def _row(kind: str, event_class: EventClass, activity: int, found: Fields) -> dict[str, object]:
    """OCSF columns of one audit event; every class has those that it knows."""
    image = first(found, "exe")
    command = arguments(found) if "argc" in found else first(found, "cmd")
    command = command or first(found, "proctitle")
    is_process = event_class is EventClass.PROCESS_ACTIVITY
    address = first(found, "addr", "laddr")
    remote, port = socket_address(first(found, "saddr"))
    path = _path(found)
    # Who asked to be let in is not the daemon that answers, so its uid names no actor.
    is_log_on = event_class in (EventClass.AUTHENTICATION, EventClass.AUTHORIZE_SESSION)
    actor, actor_uid = _account(found, "AUID", "auid"), _number_of(found, "auid")
    if not is_log_on and actor_uid is None:
        actor, actor_uid = _account(found, "UID", "uid"), _number_of(found, "uid")
    return {
        "activity_id": activity,
        "status_id": _status(found),
        "status_detail": first(found, "exit") if first(found, "success") == "no" else None,
        "metadata.product.name": "linux",
        "metadata.log_name": "auditd",
        "metadata.event_code": kind,
        "message": first(found, "op"),
        "device.hostname": str(found["_node"]) or None,
        "actor.user.name": actor,
        "actor.user.uid": actor_uid,
        "actor.session.uid": _number_of(found, "ses"),
        "actor.process.file.path": None if is_process else image,
        "actor.process.cmd_line": None if is_process else first(found, "proctitle"),
        "actor.process.pid": _whole(first(found, "ppid" if is_process else "pid")),
        "process.file.path": image,
        "process.name": _leaf(image) or first(found, "comm"),
        "process.cmd_line": command,
        "process.pid": _whole(first(found, "pid")),
        "process.parent_process.pid": _whole(first(found, "ppid")),
        "process.working_directory": first(found, "cwd"),
        "process.user.name": _account(found, "UID", "uid"),
        "file.path": path,
        "file.name": _leaf(path),
        "user.name": first(found, "acct", "ID"),
        "user.uid": first(found, "id"),
        "group.name": first(found, "grp"),
        "service.name": _leaf(image),
        "session.uid": _number_of(found, "ses"),
        "src_endpoint.ip": address,
        "src_endpoint.hostname": first(found, "hostname") if address is None else None,
        "dst_endpoint.ip": remote,
        "dst_endpoint.port": port,
    }


def _leaf(path: str | None) -> str | None:
    """The last part of a path."""
    return path.rsplit("/", 1)[-1] if path else None


def _status(found: Fields) -> int:
    word = (first(found, "res", "success") or "").lower()
    if word in ("success", "yes", "1"):
        return int(Status.SUCCESS)
    return int(Status.FAILURE if word in ("failed", "no", "0") else Status.UNKNOWN)


def _path(found: Fields) -> str | None:
    """The path that was acted on: the last that is not a directory on the way, made absolute."""
    names = found.get("name")
    kinds = found.get("nametype")
    if isinstance(names, list):
        both = zip(names, kinds, strict=False) if isinstance(kinds, list) else ()
        leaves = [name for name, kind in both if kind != "PARENT"]
        names = (leaves or names)[-1]
    if not isinstance(names, str):
        return None
    cwd = first(found, "cwd")
    return names if names.startswith("/") or cwd is None else f"{cwd.rstrip('/')}/{names}"


def _account(found: Fields, name: str, number: str) -> str | None:
    """A user's name, from the enriched part; root is known without it."""
    if first(found, number) in _UNSET:
        return None
    known = first(found, name)
    return known or ("root" if first(found, number) == "0" else None)


def _number_of(found: Fields, name: str) -> str | None:
    value = first(found, name)
    return None if value in _UNSET else value


def _whole(text: str | None) -> int | None:
    return int(text) if text and len(text) < 19 and text.isdecimal() else None


def _shown(found: Fields) -> Mapping[str, object]:
    """What rules see: the log's own fields, and the names that they know executions by."""
    shown = {key: value for key, value in found.items() if key not in ("_time", "_node")}
    if found["_node"]:
        shown["node"] = found["_node"]
    if "argc" in found:
        shown |= {
            name: value
            for name, value in (
                ("Image", first(found, "exe")),
                ("CommandLine", arguments(found)),
                ("ProcessId", first(found, "pid")),
                ("ParentProcessId", first(found, "ppid")),
                ("CurrentDirectory", first(found, "cwd")),
                ("User", _account(found, "UID", "uid") or first(found, "uid")),
            )
            if value is not None
        }
    return shown


def _raw(lines: Lines, events: Iterable[list[tuple[int, AuditRecord]]]) -> list[bytes]:
    """Text of each record; the first of an audit event holds all of its lines."""
    raw: list[bytes] = [b""] * len(lines.offsets)
    for number, text in zip(lines.numbers.tolist(), lines.texts, strict=True):
        raw[number] = text
    for members in events:
        if len(members) > 1:
            own = dict.fromkeys(at for at, _ in members)
            joined = JOINT.join(lines.texts[at] for at in own)
            raw[int(lines.numbers[members[0][0]])] = joined
    return raw
