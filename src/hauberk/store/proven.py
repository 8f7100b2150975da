"""Ledger entries that a decision stands on: read only after the whole log was proved."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from hauberk.errors import HomeDamagedError

from . import merkle
from .signing import Verifier
from .tables import checkpoints, ledger_entries, ledger_nodes

_HINT = "Run `hauberk verify` to see all that is not as it was committed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the ledger: its position, and the time of the commit that brought it."""

    position: int
    type: str
    time: datetime
    body: dict[str, Any]  # what an entry holds is known to who wrote it


def proven_entries(
    connection: Connection, verifier: Verifier, prefixes: Sequence[str]
) -> list[Entry]:
    """Entries whose type begins with one of `prefixes`, in order.

    Every entry of the log is hashed and the root compared with the newest signed checkpoint, so
    that an entry which was altered, removed, added or reordered is never acted on. Costs two
    hashes an entry. Raises HomeDamagedError naming the entry or the checkpoint.
    """
    marks = [f'"type":"{prefix}'.encode() for prefix in prefixes]
    found: list[tuple[int, dict[str, Any]]] = []
    times: dict[int, datetime | None] = {}
    tree = _Tree()
    query = select(ledger_entries.c.position, ledger_entries.c.entry)
    for position, entry in connection.execute(query.order_by(ledger_entries.c.position)):
        data = entry if isinstance(entry, bytes) else str(entry).encode()
        if position != tree.size:
            raise _damaged(f"ledger entry {tree.size}", "it is missing")
        tree.add(merkle.leaf_hash(data))
        if any(mark in data for mark in marks):
            body = json.loads(data)
            if str(body.get("type")).startswith(tuple(prefixes)):
                found.append((position, body))
                times[body["commit"]] = None
        elif b'"type":"commit"' in data and None in times.values():
            _time_of(json.loads(data), times)
    _prove(connection, verifier, tree)
    entries = []
    for position, body in found:
        time = times[body["commit"]]
        if time is None:
            raise _damaged(f"ledger entry {position}", "it belongs to no commit")
        entries.append(Entry(position, str(body["type"]), time, body))
    return entries


def _time_of(commit: dict[str, Any], times: dict[int, datetime | None]) -> None:
    """Note the time of a commit whose entries are wanted; it is the last entry of its commit."""
    if commit.get("type") == "commit" and times.get(commit["commit"], 0) is None:
        times[commit["commit"]] = datetime.fromisoformat(commit["time"])


class _Tree:
    """The roots of the complete subtrees of what was added, largest first."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        value, at = leaf, self.size
        while at & 1:
            value = merkle.node_hash(self._peaks.pop(), value)
            at >>= 1
        self._peaks.append(value)
        self.size += 1

    def root(self) -> bytes:
        if not self._peaks:
            return merkle.EMPTY_ROOT
        value = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            value = merkle.node_hash(peak, value)
        return value


def _prove(connection: Connection, verifier: Verifier, tree: _Tree) -> None:
    query = select(checkpoints.c.note).order_by(checkpoints.c.size.desc()).limit(1)
    note = connection.execute(query).scalar()
    if note is None:
        if tree.size:
            raise _damaged("checkpoint", "the ledger has entries and no signed checkpoint")
        return
    try:
        checkpoint = verifier.open(str(note))
    except ValueError as error:
        raise _damaged("checkpoint", str(error)) from error
    if checkpoint.size != tree.size or checkpoint.root != tree.root():
        raise _damaged(*_first_difference(connection, tree.size, checkpoint.size))


def _first_difference(connection: Connection, size: int, signed: int) -> tuple[str, str]:
    """Where and how the entries differ from what was hashed when they were appended."""
    query = select(ledger_nodes.c.position, ledger_nodes.c.hash).where(ledger_nodes.c.level == 0)
    leaves = {row.position: row.hash for row in connection.execute(query)}
    entries = select(ledger_entries.c.position, ledger_entries.c.entry)
    for position, entry in connection.execute(entries.order_by(ledger_entries.c.position)):
        data = entry if isinstance(entry, bytes) else str(entry).encode()
        if leaves.get(position) != merkle.leaf_hash(data):
            return f"ledger entry {position}", "it is not what was appended"
    if size != signed:
        return f"ledger entry {min(size, signed)}", f"{signed} entries were signed, {size} are here"
    return "ledger", "its entries do not lead to the signed root"


def _damaged(where: str, said: str) -> HomeDamagedError:
    return HomeDamagedError(f"the ledger was altered: {said}", where=where, hint=_HINT)
