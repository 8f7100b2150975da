"""What waits in the inbox (verdicts, sign-ins, questions of gold), taken into the home.

An act enters at the left like everything else: its line is a record, becomes an event of Hauberk's
own, and is judged by rules. In the commit that stores the event its ledger entry is made, and the
place in the inbox moves on, so that whatever dies, each act is there exactly once.
"""

import hashlib
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

from hauberk.detect import Detector
from hauberk.detect.sigma import sigma_detector
from hauberk.errors import HomeBusyError
from hauberk.events import CONSOLE_SERVICE, OWN_CLASS, OWN_FORMAT, OWN_PRODUCT, act_record
from hauberk.ingest import Batch, Framing, Parsed, RecordBatch, Reject, format_named
from hauberk.store import INBOX, Home, Inbox, InboxReader, Waiting
from hauberk.store.inbox import STATE, places_frame

from .committing import Portion
from .groupings import GROUPED, parts
from .own import own_rules
from .parsing import Parsing, parse
from .signing import Admitted, Statements
from .verdicts import ANSWER, GROUNDS, VERDICT, grounds

REFUSED, MISSING = "inbox.refused", "inbox.missing"
"""Types of the ledger entries that tell of faults of the inbox."""

ACTS = ("console.", "labels.")
"""How the types of what people do begin; the inbox brings no other entries."""

SOURCE = "hauberk:inbox"
SWEEP_SECONDS = 3600.0
_HEAD = 64 << 10


class Acts:
    """The inbox of an open home, read on from its last commit; `judges` are its rules.

    Of what decides on models it brings only statements that their persons signed (`signing.py`).
    """

    def __init__(self, home: Home, judges: Sequence[Detector]) -> None:
        self._home = home
        self.judges = judges
        self._statements = Statements(home)
        self._reader = InboxReader.of(home)
        self._swept = -SWEEP_SECONDS
        self._sweep()

    def add_to(self, portion: Portion) -> list[Parsing]:
        """Take what waits into a portion that is to be committed; what it became."""
        self._sweep()
        made: list[Parsing] = []
        for waiting in self._reader.read():
            said, entries = self._taken(waiting)
            for one in said:
                portion.add(one)
            made += said
            portion.entries += entries
            portion.states[STATE] = {"places": places_frame(self._reader.places.values())}
        return made

    def _sweep(self) -> None:
        """Delete, now and then, what the last commit says was taken."""
        if time.monotonic() - self._swept >= SWEEP_SECONDS:
            self._home.patiently(lambda: InboxReader.of(self._home)).sweep()
            self._swept = time.monotonic()

    def _taken(self, waiting: Waiting) -> tuple[list[Parsing], list[Mapping[str, object]]]:
        made: list[Parsing] = []
        entries: list[Mapping[str, object]] = []
        if waiting.data:
            made.append(parse(_batch(waiting), self.judges))
            entries = self._entries(waiting)
        admitted = self._admitted(waiting)
        entries += admitted.entries
        faults = _faults(waiting, self._home.clock())
        entries += [entry for _, entry in faults]
        said = [*admitted.records, *(record for record, _ in faults)]
        if said:
            made.append(parse(_own_batch(said), self.judges))
        return made, entries

    def _admitted(self, waiting: Waiting) -> Admitted:
        """What became of statements that people signed, behind the acts that brought them."""
        return self._statements.admit([_entry(one) for one in waiting.records if _is_act(one)])

    def _entries(self, waiting: Waiting) -> list[Mapping[str, object]]:
        """The ledger entries of sealed lines; beside verdicts and groupings, what they are on."""
        entries: list[Mapping[str, object]] = []
        for one in waiting.records:
            if _is_act(one):
                entry = _entry(one)
                entries.append(entry)
                if entry["type"] in (VERDICT, ANSWER):
                    on = self._home.patiently(partial(grounds, self._home, entry))
                    entries.append(on)
                elif entry["type"] in GROUPED:
                    entries.append(self._home.patiently(partial(parts, self._home, entry)))
        return entries


def take_waiting(home: Home, judges: Sequence[Detector] | None = None) -> int:
    """Take all that waits into a home that is open for writing; how many entries it became.

    Without `judges` Hauberk's own rules judge it; nothing else has to be loaded for that.
    """
    if not (home.path / INBOX).is_dir():
        return 0
    acts = Acts(home, judges or [sigma_detector(own_rules())])
    entered = 0
    while True:
        portion = Portion()
        if not acts.add_to(portion) and not portion.states:
            return entered
        home.commit(portion.commit({}))
        entered += len(portion.entries)


def leave(home: Path, writer: str, entries: Sequence[Mapping[str, object]]) -> bool:
    """Leave acts in a home's inbox, and take them where the home is free; whether it was.

    An entry has `type`, `by` and whatever it says; when and under which uid is added.
    Raises UsageError where there is no home.
    """
    with Home.open(home, read_only=True) as opened:
        at = opened.clock().isoformat()
    acts = [{"act": secrets.token_hex(12), "at": at, **one} for one in entries]
    Inbox(home, writer).append([act_record(one) for one in acts])
    try:
        with Home.open(home, create=False) as opened:
            take_waiting(opened)
    except HomeBusyError:
        return False
    return True


class _Checked:
    """The format of own records, for lines of which some are already known to be refused."""

    framing = Framing.LINES

    def __init__(self, refused: Mapping[int, tuple[int, str]]) -> None:
        self._format = format_named(OWN_FORMAT)
        self.name, self.version = self._format.name, self._format.version
        self._refused = refused

    def sniff(self, head: bytes, path: object) -> float:  # noqa: ARG002  # never asked
        """Nothing is recognised by it."""
        return 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        """Events of the lines that are not refused."""
        data = bytearray(records.data)
        for offset, (length, _) in self._refused.items():
            begin = offset - records.offset
            data[begin : begin + length] = b"!" * length
        parsed = self._format.parse(replace(records, data=bytes(data)))
        rejects = [
            Reject(one.offset, one.length, self._refused.get(one.offset, (0, one.reason))[1])
            for one in parsed.rejects
        ]
        return replace(parsed, rejects=rejects)


def _batch(waiting: Waiting) -> Batch:
    """The lines as a batch. Its identity says where they lay, so that no copy has the same."""
    refused = {offset: (length, reason) for offset, length, reason in waiting.refused}
    source = f"{SOURCE}/{waiting.after.writer}/{waiting.path.name}"
    return _named(source, waiting.offset, waiting.data, _Checked(refused))


def _named(source: str, offset: int, data: bytes, checked: _Checked) -> Batch:
    digest = hashlib.sha256(data).hexdigest()
    identity = hashlib.sha256(f"{source}\0{offset}\0{digest}".encode()).hexdigest()[:32]
    first = hashlib.sha256(data.split(b"\n", 1)[0][:4096]).hexdigest()
    records = RecordBatch(data, source, offset, data[:_HEAD] if offset == 0 else b"")
    return Batch(records, checked, f"acts-{identity}", digest, first)


def _is_act(record: Mapping[str, object]) -> bool:
    entry = record.get("entry")
    if not isinstance(entry, dict) or entry.get("type") == GROUNDS:
        return False
    return str(entry.get("type")).startswith(ACTS)


def _entry(record: Mapping[str, object]) -> Mapping[str, object]:
    entry = record["entry"]
    return entry if isinstance(entry, dict) else {}


def _faults(
    waiting: Waiting, now: datetime
) -> list[tuple[dict[str, object], Mapping[str, object]]]:
    """Own records and ledger entries of what is wrong with an inbox."""
    writer = waiting.after.writer
    said = [(MISSING, 1, why) for why in waiting.missing]
    if waiting.refused:
        said.append((REFUSED, len(waiting.refused), waiting.refused[0][2]))
    found: list[tuple[dict[str, object], Mapping[str, object]]] = []
    for kind, number, why in said:
        place = {"writer": writer, "file": waiting.path.name, "offset": waiting.offset}
        entry = {"type": kind, **place, "lines": number, "reason": why, "at": now.isoformat()}
        record = {
            "class_uid": int(OWN_CLASS),
            "product": OWN_PRODUCT,
            "log": CONSOLE_SERVICE,
            "time": now.isoformat(),
            "status": "failure",
            "operation": "inbox",
            "check": kind.partition(".")[2],
            "samples": number,
            **place,
            "message": f"the inbox of {writer}: {why}",
        }
        found.append((record, entry))
    return found


def _own_batch(records: Sequence[Mapping[str, object]]) -> Batch:
    data = b"".join(json.dumps(one, sort_keys=True).encode() + b"\n" for one in records)
    return _named(f"{SOURCE}/faults", 0, data, _Checked({}))
