"""Verifies the ledger: every entry, every node, every signed checkpoint."""

from sqlalchemy import Connection, select

from . import merkle
from .signing import Checkpoint, Verifier
from .tables import checkpoints, ledger_entries, ledger_nodes
from .verification import FaultKind, Note


def check_ledger(
    connection: Connection, verifier: Verifier | None, trusted: str | None, note: Note
) -> list[bytes]:
    """Check the whole log; its entries in order, for what they say."""
    entries = _entries(connection, note)
    stored = {
        (row.level, row.position): row.hash for row in connection.execute(select(ledger_nodes))
    }
    _check_order(entries, stored, note)
    nodes: dict[tuple[int, int], bytes] = {}

    def node(level: int, position: int) -> bytes:
        return nodes[level, position]

    for position, entry in enumerate(entries):
        for level, at, value in merkle.grow(node, position, merkle.leaf_hash(entry)):
            nodes[level, at] = value
    for key in sorted(nodes.keys() | stored.keys()):
        # Level 0 has been told of by entry.
        if key[0] and nodes.get(key) != stored.get(key):
            kind = _kind(nodes.get(key), stored.get(key))
            found = stored.get(key)
            note(
                kind,
                f"ledger node {key[0]}/{key[1]}",
                nodes[key].hex() if key in nodes else "nothing",
                found.hex() if isinstance(found, bytes) else found,
            )
    if verifier is not None:
        _check_checkpoints(connection, verifier, node, len(entries), note)
        if trusted is not None:
            _check_note("trusted checkpoint", trusted, verifier, node, len(entries), note)
    return entries


def _kind(expected: object, found: object) -> FaultKind:
    if found is None:
        return FaultKind.MISSING
    return FaultKind.ADDED if expected is None else FaultKind.CHANGED


def _entries(connection: Connection, note: Note) -> list[bytes]:
    entries: list[bytes] = []
    query = select(ledger_entries).order_by(ledger_entries.c.position)
    for row in connection.execute(query):
        if row.position != len(entries):
            note(
                FaultKind.MISSING,
                f"ledger entry {len(entries)}",
                "an entry at every position",
                f"position {row.position} next",
            )
        entries.append(row.entry if isinstance(row.entry, bytes) else str(row.entry).encode())
    return entries


def _check_order(entries: list[bytes], stored: dict[tuple[int, int], bytes], note: Note) -> None:
    """Name the entries that are not at the place where they were hashed."""
    places = {value: at for (level, at), value in stored.items() if level == 0}
    for position, entry in enumerate(entries):
        leaf = merkle.leaf_hash(entry)
        expected = stored.get((0, position))
        if leaf == expected:
            continue
        where = f"ledger entry {position}"
        if leaf in places:
            note(FaultKind.REORDERED, where, f"position {places[leaf]}", f"position {position}")
        elif expected is None:
            note(FaultKind.ADDED, where, "no entry", f"leaf hash {leaf.hex()}")
        else:
            name = expected.hex() if isinstance(expected, bytes) else expected
            note(FaultKind.CHANGED, where, f"leaf hash {name}", leaf.hex())
    for position in sorted(at for level, at in stored if level == 0):
        if position >= len(entries):
            note(FaultKind.MISSING, f"ledger entry {position}", "an entry", "none")


def _check_checkpoints(
    connection: Connection, verifier: Verifier, node: merkle.Nodes, size: int, note: Note
) -> None:
    last = 0
    for row in connection.execute(select(checkpoints).order_by(checkpoints.c.size)):
        where = f"checkpoint of size {row.size}"
        found = _check_note(where, str(row.note), verifier, node, size, note)
        if found is not None and found.size != row.size:
            note(FaultKind.CHANGED, where, f"size {row.size}", f"size {found.size}")
        last = row.size
    if last < size:
        note(FaultKind.MISSING, f"checkpoint of size {size}", "a signed checkpoint", "none")


def _check_note(
    where: str, text: str, verifier: Verifier, node: merkle.Nodes, size: int, note: Note
) -> Checkpoint | None:
    try:
        checkpoint = verifier.open(text)
    except ValueError as error:
        note(FaultKind.SIGNATURE, where, f"a checkpoint signed by {verifier.name}", error)
        return None
    if checkpoint.origin != verifier.name:
        note(FaultKind.CHANGED, where, f"origin {verifier.name}", checkpoint.origin)
    if checkpoint.size > size:
        note(FaultKind.MISSING, where, f"{checkpoint.size} ledger entries", size)
        return checkpoint
    root = merkle.root(node, checkpoint.size)
    if root != checkpoint.root:
        note(
            FaultKind.CHANGED,
            f"ledger entries before {checkpoint.size} ({where})",
            f"root {checkpoint.root.hex()}",
            f"root {root.hex()}",
        )
    return checkpoint
