"""Lines of the audit log as records, and records of one audit event as one.

Source: the audit project's log format (`type=T msg=audit(TIME:SERIAL): key=value ...`).
"""

import binascii
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

# A quote that does not close is tried once: no later quote is left that could begin a value.
_HEAD = re.compile(
    r"(?:node=(\S{1,256}) )?type=([A-Z0-9_\[\]]{1,40}) "
    r"msg=audit\((\d{1,12}(?:\.\d{1,6})?):(\d{1,20})\):[ ]?"
)
# A key begins only where no key could be going on, so that long words are read once.
_PAIRS = re.compile(r"(?<![\w\[\]-])([A-Za-z_][\w\[\]-]*)=(\"[^\"]*\"|'[^']*'|\S*)")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_ARGUMENT = re.compile(r"a\d{1,5}")
_PIECE = re.compile(r"(a\d{1,5})\[\d{1,5}\]")
_NOTHING = frozenset({"?", "(null)", "(none)", "", "unset"})
_MAX_FIELDS = 4096

Fields = dict[str, object]

JOINT = b"\x1e"
"""Between lines of one audit event that are kept as one. The audit log has no such byte: it writes
what is not printable in hexadecimal."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One line. Records of one audit event share `event`: node, time and serial number."""

    event: tuple[str, str, str]
    type: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AuditFacts:
    """What `auditd.toml` says: class and activity by record type and by system call."""

    encoded: frozenset[str]
    types: Mapping[str, tuple[str, int]]
    calls: Mapping[str, tuple[str, int]]
    numbers: Mapping[str, Mapping[str, str]]


@cache
def audit_facts() -> AuditFacts:
    """The facts of `auditd.toml`."""
    text = resources.files(__package__).joinpath("auditd.toml").read_text("utf-8")
    facts = tomllib.loads(text)

    def turned(tables: Mapping[str, Mapping[str, int]]) -> dict[str, tuple[str, int]]:
        return {name: (kind, act) for kind, acts in tables.items() for name, act in acts.items()}

    return AuditFacts(
        encoded=frozenset(facts["encoded"]),
        types=turned(facts["types"]),
        calls=turned(facts["calls"]),
        numbers=facts["numbers"],
    )


def read_record(text: bytes) -> AuditRecord | None:
    """A line as a record; None where it is no audit record."""
    line = text.decode("utf-8", "replace")
    head = _HEAD.match(line)
    if head is None:
        return None
    node, kind, time, serial = head.groups()
    return AuditRecord((node or "", time, serial), kind, _fields(kind, line[head.end() :]))


def read_records(text: bytes) -> list[AuditRecord]:
    """The records of a line: one, or those of one audit event that were joined into it."""
    if JOINT in text:
        parts = [read_record(part) for part in text.split(JOINT)]
        known = [part for part in parts if part is not None]
        if len(known) == len(parts) and len({part.event for part in known}) == 1:
            return known
    record = read_record(text)
    return [] if record is None else [record]


def _fields(kind: str, body: str) -> dict[str, str]:
    """Keys and decoded values; what stands for nothing is left out."""
    # The enriched part follows a group separator; user-space messages are nested once.
    text = body.replace("\x1d", " ")
    nested = text.find(" msg='")
    if nested >= 0:
        inner = text[nested + 6 :].replace("'", " ")
        text = f"{text[:nested]} {inner}"
    encoded = audit_facts().encoded
    found: dict[str, str] = {}
    for key, value in _PAIRS.findall(text):
        if len(found) >= _MAX_FIELDS:
            break
        if value[:1] in "\"'" and len(value) > 1:
            plain = value[1:-1] if value[-1] == value[0] else value[1:]
        elif key in encoded or (kind == "EXECVE" and key[0] == "a" and key != "argc"):
            plain = _decoded(key, value)
        else:
            plain = value
        plain = plain.removeprefix("=")  # some kernels write subj==unconfined
        if plain not in _NOTHING:
            found[key] = plain
    return _joined(found) if kind == "EXECVE" else found


def _decoded(key: str, value: str) -> str:
    """Hexadecimal bytes as text; anything else as it stands."""
    if key.endswith("_len") or not _HEX.fullmatch(value):
        return value
    plain = binascii.unhexlify(value)
    if key in ("proctitle", "cmd"):
        plain = plain.replace(b"\0", b" ")
    return plain.decode("utf-8", "replace").rstrip("\0")


def _joined(found: dict[str, str]) -> dict[str, str]:
    """Arguments that were too long for one field (a1[0], a1[1], ...) as one again."""
    if not any("[" in key for key in found):
        return found
    whole: dict[str, str] = {}
    for key, value in found.items():
        piece = _PIECE.fullmatch(key)
        name = piece.group(1) if piece else key
        whole[name] = whole.get(name, "") + value if piece else value
    return whole


def merged(records: Sequence[AuditRecord]) -> Fields:
    """The fields of one audit event. Where several records have a field, all of its values.

    The arguments of EXECVE hide the pointers that SYSCALL keeps under the same names.
    """
    execve = any(record.type == "EXECVE" for record in records)
    found: dict[str, object] = {"type": [record.type for record in records]}
    if len(records) == 1:
        found["type"] = records[0].type
    for record in records:
        hidden = execve and record.type == "SYSCALL"
        for key, value in record.fields.items():
            if hidden and _ARGUMENT.fullmatch(key):
                continue
            known = found.get(key)
            if key == "type":
                found["object_type"] = value
            elif known is None:
                found[key] = value
            elif isinstance(known, list):
                known.append(value)
            elif known != value:
                found[key] = [known, value]
    _name_call(found)
    return found


def _name_call(found: Fields) -> None:
    """Give the system call its name, as enriched logs do."""
    number = found.get("syscall")
    if "SYSCALL" in found or not isinstance(number, str):
        return
    table = audit_facts().numbers.get(str(found.get("arch", "")).lower(), {})
    name = table.get(number) if number.isdecimal() else number
    if name is not None:
        found["SYSCALL"] = name


def arguments(found: Mapping[str, object]) -> str | None:
    """The command line of an EXECVE record: its arguments joined by spaces."""
    words: list[str] = []
    while len(words) < _MAX_FIELDS:
        value = found.get(f"a{len(words)}")
        if value is None:
            # An argument that stands for nothing was left out; the count says if more follow.
            count = found.get("argc")
            if not (isinstance(count, str) and count.isdecimal() and len(words) < int(count[:5])):
                break
            value = ""
        words.append(value if isinstance(value, str) else " ".join(map(str, _members(value))))
    return " ".join(words).rstrip() or None


def _members(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else [value]


def first(found: Mapping[str, object], *names: str) -> str | None:
    """The first of several fields that is there; of several values the first."""
    for name in names:
        value = found.get(name)
        if isinstance(value, list):
            value = value[0] if value else None
        if isinstance(value, str):
            return value
    return None


def socket_address(hexadecimal: str | None) -> tuple[str | None, int | None]:
    """Address and port of a SOCKADDR record (`saddr`), where it is of IPv4 or IPv6."""
    if hexadecimal is None or not _HEX.fullmatch(hexadecimal):
        return None, None
    raw = binascii.unhexlify(hexadecimal)
    if len(raw) >= 8 and raw[0] == 2:  # AF_INET
        return ".".join(map(str, raw[4:8])), int.from_bytes(raw[2:4], "big")
    if len(raw) >= 24 and raw[0] == 10:  # AF_INET6
        words = [f"{int.from_bytes(raw[i : i + 2], 'big'):x}" for i in range(8, 24, 2)]
        return ":".join(words), int.from_bytes(raw[2:4], "big")
    return None, None
