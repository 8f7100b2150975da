"""What receivers want of an HTTP body, and what their answers mean.

An answer that is about the messages (400, 413, 422) lets go of those that it is about; every other
one that is no success is about the receiver, or the settings, and everything is tried again.
Sources: Splunk's HTTP Event Collector (codes of answers); Elasticsearch's bulk API; RFC 9110.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from .interface import Message, NotSentError, Refused, RefusedError

_ABOUT_MESSAGES = frozenset({400, 413, 422})
_OF_INDEX = frozenset({401, 403, 404})
_LATER = _OF_INDEX | {408, 425, 429}
_SPLUNK_INVALID = frozenset({5, 6, 12, 13, 15})
"""No data, invalid data, event missing, event blank, error in fields."""

_CONFLICT = 409
_BLOCKED = "cluster_block_exception"
"""Elasticsearch's word for an index that takes nothing for now, as when its disk is full."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said."""

    status: int
    body: bytes
    location: str = ""

    @property
    def told(self) -> str:
        """It for people, on one line; a redirect by the host that it leads to."""
        if 300 <= self.status < 400:
            try:
                host = urlsplit(self.location).hostname or "itself"
            except ValueError:
                host = "nowhere"
            return f"{self.status}: it redirects to {host[:100]}, which is not followed"
        said = self.body[:300].decode("utf-8", "replace")
        said = " ".join("".join(one if one.isprintable() else " " for one in said).split())
        return f"{self.status}: {said}" if said else f"it answers {self.status}"

    def json(self) -> dict[str, Any]:
        """Its body as a JSON object, empty where it is none. `Any`: the receiver's."""
        try:
            found = orjson.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Preset:
    """How one sort of receiver is spoken to."""

    content_type: str
    scheme: str
    body: Callable[[Sequence[Message], str], bytes]
    judge: Callable[[Answer, Sequence[Message], str], Sequence[Refused]]
    takes_index: bool = False


def _array(messages: Sequence[Message], _index: str) -> bytes:
    return b"[" + b",".join(one.data for one in messages) + b"]"


def _lines(messages: Sequence[Message], _index: str) -> bytes:
    return b"".join(one.data + b"\n" for one in messages)


def _plain(answer: Answer, _messages: Sequence[Message], where: str) -> Sequence[Refused]:
    if 200 <= answer.status < 300:
        return ()
    raise _failure(answer, where)


def _failure(answer: Answer, where: str) -> RefusedError | NotSentError:
    if answer.status in _ABOUT_MESSAGES:
        return RefusedError(answer.told, where=where)
    return NotSentError(answer.told, where=where)


def _splunk_body(messages: Sequence[Message], index: str) -> bytes:
    extra = b'"index":' + orjson.dumps(index) + b"," if index else b""
    return b"".join(
        b'{"time":%.3f,"source":"hauberk","sourcetype":"hauberk:ocsf",%b"fields":{"hauberk_id":%b},'
        b'"event":%b}' % (one.time.timestamp(), extra, orjson.dumps(one.id), one.data)
        for one in messages
    )


def _splunk(answer: Answer, messages: Sequence[Message], where: str) -> Sequence[Refused]:
    """Code 0 is success; of a bad event, `invalid-event-number` says which: those before are in."""
    said = answer.json()
    if answer.status == 200 and said.get("code", 0) == 0:
        return ()
    if answer.status == 413:
        raise RefusedError(answer.told, where=where)
    if answer.status != 400 or said.get("code") not in _SPLUNK_INVALID:
        # A 400 of another code is of token, index or channel: true of every message.
        raise NotSentError(answer.told, where=where)
    number = said.get("invalid-event-number")
    known = isinstance(number, int) and 0 <= number < len(messages)
    raise RefusedError(answer.told, where=where, at=number if known else None)


def _elastic_body(messages: Sequence[Message], index: str) -> bytes:
    """Documents that are made once: their ids are ours, so what is sent again is refused as known.

    `create` is the one action that data streams take too.
    """
    extra = b',"_index":' + orjson.dumps(index) if index else b""
    return b"".join(
        b'{"create":{"_id":%b%b}}\n{"@timestamp":"%b",%b\n'
        % (orjson.dumps(one.id), extra, _iso(one.time), one.data[1:])
        for one in messages
    )


def _iso(time: datetime) -> bytes:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").encode("ascii")


def _elastic(answer: Answer, messages: Sequence[Message], where: str) -> Sequence[Refused]:
    """Each item has a status of its own: 409 is of a document that is there already.

    401, 403 and 404 are of index or rights, and true of every document; where others of the same
    body were taken, they are of this one, which a pipeline may have sent to another index.
    """
    if not 200 <= answer.status < 300:
        raise _failure(answer, where)
    items = answer.json().get("items")
    if not isinstance(items, list) or len(items) != len(messages):
        raise NotSentError("its answer is none of the bulk API", where=where)
    done: set[str] = set()
    others: list[tuple[Message, int, str]] = []
    for message, item in zip(messages, items, strict=True):
        result = item.get("create") if isinstance(item, dict) else None
        status = result.get("status") if isinstance(result, dict) else None
        if not isinstance(result, dict) or not isinstance(status, int):
            raise NotSentError("its answer is none of the bulk API", where=where)
        if 200 <= status < 300 or status == _CONFLICT:
            done.add(message.id)
        else:
            others.append((message, status, _reason(result)))
    later = {one[0].id: f"{one[1]}: {one[2]}" for one in others if not _for_good(*one[1:], done)}
    refused = [
        Refused(one, f"{status}: {reason}") for one, status, reason in others if one.id not in later
    ]
    if later:
        said = next(iter(later.values()))
        raise NotSentError(said, where=where, done=frozenset(done), refused=refused)
    return refused


def _for_good(status: int, reason: str, done: Collection[str]) -> bool:
    """Whether an item of a bulk answer says that its document will never be taken."""
    if not 400 <= status < 500 or reason.startswith(_BLOCKED):
        return False
    return status not in _LATER or (status in _OF_INDEX and bool(done))


def _reason(result: dict[str, Any]) -> str:
    error = result.get("error")
    if isinstance(error, dict):
        error = f"{error.get('type')}: {error.get('reason')}"
    return " ".join("".join(one if one.isprintable() else " " for one in str(error)[:300]).split())


PRESETS = {
    "json": Preset("application/json", "Bearer", _array, _plain),
    "lines": Preset("application/x-ndjson", "Bearer", _lines, _plain),
    "splunk": Preset("application/json", "Splunk", _splunk_body, _splunk, takes_index=True),
    "elastic": Preset("application/x-ndjson", "ApiKey", _elastic_body, _elastic, takes_index=True),
}
"""By the name that settings give."""
