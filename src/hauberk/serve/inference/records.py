"""Requests' bodies as the records that models judge: domains, mails, executables.

A record is an object of one key. `domain`: a name. `mail`: RFC 5322 as text, or `mail_base64` as
bytes. `executable_base64`: a Windows executable, of which headers alone are read; or `numbers`:
what was read of one elsewhere, by name.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import polars as pl

from hauberk.detect.models import Seat, readable, row_of
from hauberk.detect.network.names import split_names
from hauberk.ingest import RecordBatch, format_named
from hauberk.ingest.receivers.bodies import BodyError
from hauberk.models import Task

MOST_RECORDS = 256
MOST_BYTES = 8 << 20
"""Records, and bytes once unpacked, of one request."""

MOST_NUMBERS = 1000
PLURALS = {Task.DOMAIN: "domains", Task.MAIL: "mails", Task.EXECUTABLE: "executables"}

_KEYS = {
    Task.DOMAIN: ("domain",),
    Task.MAIL: ("mail", "mail_base64"),
    Task.EXECUTABLE: ("executable_base64", "numbers"),
}
_LIKE = {
    Task.DOMAIN: '{"domain": "www.example.com"}',
    Task.MAIL: '{"mail": "From: ..."} or {"mail_base64": "..."}',
    Task.EXECUTABLE: '{"executable_base64": "..."} or {"numbers": {"SizeOfCode": 4096, ...}}',
}


@dataclass(frozen=True, slots=True)
class Record:
    """What is to be judged; `entity` says whose it is to the canary's hash.

    The value of an executable is its numbers by name, which each model puts in its own order.
    """

    value: Any  # of whatever type the task's features read
    entity: str

    def of(self, seat: Seat) -> Any:
        """It as one model reads it."""
        if isinstance(self.value, dict):
            return row_of(self.value, seat.judging.features.names)
        return self.value


def records_of(task: Task, body: bytes) -> tuple[list[Record], bool]:
    """The records of a body, and whether it is one object alone. Raises BodyError (400, 413, 422).

    A body that holds one record that is none is refused whole.
    """
    if len(body) > MOST_BYTES:
        raise BodyError(413, f"expected at most {MOST_BYTES} bytes")
    objects, single = _objects(body)
    if not objects:
        raise BodyError(400, f"expected a JSON object, or one a line: {_LIKE[task]}")
    found = []
    for number, one in enumerate(objects, start=1):
        if len(one) != 1 or next(iter(one)) not in _KEYS[task]:
            raise BodyError(422, f"record {number}: expected {_LIKE[task]}")
        try:
            found.append(_READ[task](*next(iter(one.items()))))
        except ValueError as error:
            raise BodyError(422, f"record {number}: {error}") from error
    return found, single


def _objects(body: bytes) -> tuple[list[Mapping[str, Any]], bool]:
    try:
        whole = orjson.loads(body)
    except orjson.JSONDecodeError:
        whole = None
    if isinstance(whole, dict):
        return [whole], True
    lines = [one for one in body.split(b"\n") if one.strip()]
    if len(lines) > MOST_RECORDS:
        raise BodyError(413, f"expected at most {MOST_RECORDS} records")
    found: list[Mapping[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            value = None
        if not isinstance(value, dict):
            raise BodyError(400, f"record {number}: expected a JSON object on a line of its own")
        found.append(value)
    return found, False


def _domain(_key: str, value: object) -> Record:
    if not isinstance(value, str) or len(value) > 255:
        raise ValueError("expected the name of a host or domain, at most 255 characters")
    split: Sequence[str] = split_names(pl.Series([value], dtype=pl.String))["domain"].to_list()
    if not split:
        raise ValueError("expected a name that somebody can register, such as www.example.com")
    return Record(split[0], split[0])


def _mail(key: str, value: object) -> Record:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("expected a mail as text" + (" in base64" if "64" in key else ""))
    raw = _decoded(value) if key == "mail_base64" else value.encode("utf-8", "replace")
    mail = readable(raw)
    if mail is None:
        raise ValueError("expected a mail")
    return Record(mail, mail.recipient or mail.sender or hashlib.sha256(raw).hexdigest())


def _executable(key: str, value: object) -> Record:
    if key == "numbers":
        return _numbers(value)
    if not isinstance(value, str):
        raise ValueError("expected an executable in base64")
    raw = _decoded(value)
    parsed = format_named("portable-executable").parse(RecordBatch(raw, "asked", 0))
    if not parsed.raw:
        raise ValueError("this is no Windows executable")
    found: Any = orjson.loads(parsed.raw[0])["numbers"]
    return Record(found, f"SHA256={hashlib.sha256(raw).hexdigest()}")


def _numbers(value: object) -> Record:
    if not isinstance(value, dict) or not value or len(value) > MOST_NUMBERS:
        raise ValueError("expected numbers by name")
    if any(type(one) not in (int, float) or abs(one) > 2**64 for one in value.values()):
        raise ValueError("expected numbers by name, each a number")
    said = orjson.dumps({name: float(one) for name, one in value.items()},
                        option=orjson.OPT_SORT_KEYS)  # fmt: skip
    return Record(value, hashlib.sha256(said).hexdigest())


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("this is no base64") from error


_READ = {Task.DOMAIN: _domain, Task.MAIL: _mail, Task.EXECUTABLE: _executable}
