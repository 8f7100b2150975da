"""The ledger: an append-only Merkle log of what came in and what was decided.

Entries are RFC 8785 canonical JSON, hashed after RFC 9162; after every commit a checkpoint is
signed. Whoever holds a former checkpoint can have it proved that nothing before it was changed.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import rfc8785
from sqlalchemy import Connection, Engine, func, insert, select

from . import merkle
from .commit import storable
from .proven import Entry, proven_entries
from .signing import Checkpoint, Signer, Verifier
from .tables import checkpoints, ledger_entries, ledger_nodes

_MAX_SAFE_INTEGER = 2**53 - 1


def canonical(entry: Mapping[str, object]) -> bytes:
    """An entry as RFC 8785 canonical JSON.

    Text is made storable, integers beyond 53 bits become decimal text. Raises ValueError for
    what is not JSON.
    """
    return rfc8785.dumps(_clean(entry))  # type: ignore[arg-type]  # checked by rfc8785 itself


def _clean(value: object) -> object:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _MAX_SAFE_INTEGER:
        return str(value)
    if isinstance(value, Mapping):
        return {storable(str(key)): _clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    return value


def append(connection: Connection, signer: Signer, entries: Sequence[bytes]) -> Checkpoint:
    """Append canonical entries and sign the checkpoint after them, in the caller's transaction."""
    size = _size(connection)
    fresh: dict[tuple[int, int], bytes] = {}

    def node(level: int, position: int) -> bytes:
        known = fresh.get((level, position))
        return known if known is not None else _stored_node(connection, level, position)

    for position, entry in enumerate(entries, size):
        for level, at, value in merkle.grow(node, position, merkle.leaf_hash(entry)):
            fresh[level, at] = value
    if entries:
        connection.execute(
            insert(ledger_entries),
            [{"position": at, "entry": entry} for at, entry in enumerate(entries, size)],
        )
        connection.execute(
            insert(ledger_nodes),
            [
                {"level": level, "position": at, "hash": value}
                for (level, at), value in fresh.items()
            ],
        )
    new_size = size + len(entries)
    checkpoint = Checkpoint(signer.name, new_size, merkle.root(node, new_size))
    connection.execute(insert(checkpoints), [{"size": new_size, "note": signer.sign(checkpoint)}])
    return checkpoint


def _size(connection: Connection) -> int:
    last = connection.execute(select(func.max(ledger_entries.c.position))).scalar()
    return 0 if last is None else last + 1


def _stored_node(connection: Connection, level: int, position: int) -> bytes:
    query = select(ledger_nodes.c.hash).where(
        ledger_nodes.c.level == level, ledger_nodes.c.position == position
    )
    return bytes(connection.execute(query).scalar_one())


class Ledger:
    """Reads the ledger: entries, checkpoints, proofs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def size(self) -> int:
        """Number of entries."""
        with self._engine.connect() as connection:
            return _size(connection)

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[dict[str, object]]:
        """Entries in order, from `start` up to but without `stop`."""
        query = select(ledger_entries.c.entry).where(ledger_entries.c.position >= start)
        if stop is not None:
            query = query.where(ledger_entries.c.position < stop)
        with self._engine.connect() as connection:
            for (entry,) in connection.execute(query.order_by(ledger_entries.c.position)):
                yield json.loads(entry)

    def proven(self, verifier: Verifier, prefixes: Sequence[str]) -> list[Entry]:
        """Entries of these types, read after the whole log was proved against its checkpoint.

        `prefixes` are beginnings of types. Raises HomeDamagedError naming what was altered.
        """
        with self._engine.connect() as connection:
            return proven_entries(connection, verifier, prefixes)

    def entry_bytes(self, index: int) -> bytes:
        """One entry as it was hashed; IndexError where there is none."""
        query = select(ledger_entries.c.entry).where(ledger_entries.c.position == index)
        with self._engine.connect() as connection:
            entry = connection.execute(query).scalar()
        if entry is None:
            raise IndexError(f"the ledger has no entry {index}")
        return bytes(entry)

    def checkpoint(self) -> str | None:
        """The newest signed checkpoint; None before the first commit."""
        query = select(checkpoints.c.note).order_by(checkpoints.c.size.desc()).limit(1)
        with self._engine.connect() as connection:
            note: str | None = connection.execute(query).scalar()
        return note

    def root(self, size: int | None = None) -> bytes:
        """Root hash of the first `size` entries (all)."""
        with self._engine.connect() as connection:
            return merkle.root(_nodes(connection), _size(connection) if size is None else size)

    def inclusion_proof(self, index: int, size: int | None = None) -> list[bytes]:
        """Proof that entry `index` is in the tree of `size` (all)."""
        with self._engine.connect() as connection:
            size = _size(connection) if size is None else size
            return merkle.inclusion_proof(_nodes(connection), index, size)

    def consistency_proof(self, old: int, new: int | None = None) -> list[bytes]:
        """Proof that the tree of `old` entries begins the tree of `new` (all)."""
        with self._engine.connect() as connection:
            new = _size(connection) if new is None else new
            return merkle.consistency_proof(_nodes(connection), old, new)


def _nodes(connection: Connection) -> merkle.Nodes:
    @lru_cache(maxsize=4096)
    def node(level: int, position: int) -> bytes:
        return _stored_node(connection, level, position)

    return node
