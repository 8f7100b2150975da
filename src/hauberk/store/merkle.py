"""A Merkle tree over an append-only list, after RFC 9162 section 2.1.

Only hashes of complete, aligned subtrees are kept: node (level, position) covers the leaves
[position * 2**level, (position + 1) * 2**level). Every root and every proof of every former size
follows from those, in a number of look-ups that grows with the logarithm of the size.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence

Nodes = Callable[[int, int], bytes]
"""Look up the hash of a complete subtree by (level, position)."""

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """Hash of a leaf (RFC 9162: SHA-256 of 0x00 and the entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node (RFC 9162: SHA-256 of 0x01 and both children)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def grow(nodes: Nodes, size: int, leaf: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Nodes that become complete when `leaf` (a leaf hash) is appended to a tree of `size`."""
    level, position, value = 0, size, leaf
    yield level, position, value
    while position & 1:
        value = node_hash(nodes(level, position - 1), value)
        level, position = level + 1, position >> 1
        yield level, position, value


def _range_root(nodes: Nodes, start: int, stop: int) -> bytes:
    """Root of the leaves [start, stop), where start is aligned as RFC 9162 splits it."""
    count = stop - start
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return nodes(level, start >> level)
    middle = start + _split(count)
    return node_hash(_range_root(nodes, start, middle), _range_root(nodes, middle, stop))


def _split(count: int) -> int:
    """The largest power of two smaller than `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def root(nodes: Nodes, size: int) -> bytes:
    """Root hash of the first `size` leaves."""
    return EMPTY_ROOT if size == 0 else _range_root(nodes, 0, size)


def inclusion_proof(nodes: Nodes, index: int, size: int) -> list[bytes]:
    """Audit path of leaf `index` in the tree of `size` (RFC 9162 section 2.1.3.1)."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} among {size}")
    proof: list[bytes] = []
    start, stop = 0, size
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            proof.append(_range_root(nodes, middle, stop))
            stop = middle
        else:
            proof.append(_range_root(nodes, start, middle))
            start = middle
    return proof[::-1]


def consistency_proof(nodes: Nodes, old: int, new: int) -> list[bytes]:
    """Proof that the tree of `old` leaves begins the tree of `new` (RFC 9162 section 2.1.4.1)."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves does not grow from one of {old}")
    if old in (0, new):
        return []
    proof: list[bytes] = []
    start, stop, whole = 0, new, True
    while stop != old:
        middle = start + _split(stop - start)
        if old <= middle:
            proof.append(_range_root(nodes, middle, stop))
            stop = middle
        else:
            proof.append(_range_root(nodes, start, middle))
            start, whole = middle, False
    if not whole:
        proof.append(_range_root(nodes, start, stop))
    return proof[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected_root: bytes
) -> bool:
    """Whether `proof` leads from the leaf hash to the root (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    first, second, value = index, size - 1, leaf
    for step in proof:
        if second == 0:
            return False
        if first & 1 or first == second:
            value = node_hash(step, value)
            while not first & 1 and first:
                first, second = first >> 1, second >> 1
        else:
            value = node_hash(value, step)
        first, second = first >> 1, second >> 1
    return second == 0 and value == expected_root


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Whether `proof` shows that one tree grew from the other (RFC 9162 section 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    steps = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not steps:
        return False
    first, second = old - 1, new - 1
    while first & 1:
        first, second = first >> 1, second >> 1
    left = right = steps[0]
    for step in steps[1:]:
        if second == 0:
            return False
        if first & 1 or first == second:
            left, right = node_hash(step, left), node_hash(step, right)
            while not first & 1 and first:
                first, second = first >> 1, second >> 1
        else:
            right = node_hash(right, step)
        first, second = first >> 1, second >> 1
    return second == 0 and left == old_root and right == new_root
