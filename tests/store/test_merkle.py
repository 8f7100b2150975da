"""The Merkle tree against RFC 9162's own recursive definitions."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from hauberk.store import merkle

leaves = st.lists(st.binary(max_size=4), max_size=70)


def naive_root(entries: list[bytes]) -> bytes:
    """RFC 9162 section 2.1.1, word for word."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\0" + entries[0]).digest()
    k = 1
    while k * 2 < len(entries):
        k *= 2
    return hashlib.sha256(b"\1" + naive_root(entries[:k]) + naive_root(entries[k:])).digest()


def tree(entries: list[bytes]) -> merkle.Nodes:
    nodes: dict[tuple[int, int], bytes] = {}
    for size, entry in enumerate(entries):
        look_up = lambda level, at: nodes[level, at]  # noqa: E731
        for level, at, value in list(merkle.grow(look_up, size, merkle.leaf_hash(entry))):
            nodes[level, at] = value
    return lambda level, at: nodes[level, at]


@given(leaves)
def test_every_former_root_follows_from_the_kept_nodes(entries: list[bytes]) -> None:
    nodes = tree(entries)
    for size in range(len(entries) + 1):
        assert merkle.root(nodes, size) == naive_root(entries[:size])


@given(leaves.filter(bool), st.data())
def test_an_inclusion_proof_proves_its_leaf_and_no_other(
    entries: list[bytes], data: st.DataObject
) -> None:
    nodes = tree(entries)
    size = data.draw(st.integers(1, len(entries)))
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(nodes, index, size)
    root = merkle.root(nodes, size)
    assert merkle.verify_inclusion(merkle.leaf_hash(entries[index]), index, size, proof, root)
    other = merkle.leaf_hash(entries[index] + b"x")
    assert not merkle.verify_inclusion(other, index, size, proof, root)
    assert not merkle.verify_inclusion(
        merkle.leaf_hash(entries[index]), index, size, [*proof, root], root
    )


@given(leaves, st.data())
def test_a_consistency_proof_proves_growth_and_nothing_else(
    entries: list[bytes], data: st.DataObject
) -> None:
    nodes = tree(entries)
    old = data.draw(st.integers(0, len(entries)))
    proof = merkle.consistency_proof(nodes, old, len(entries))
    old_root, new_root = merkle.root(nodes, old), merkle.root(nodes, len(entries))
    assert merkle.verify_consistency(old, len(entries), old_root, new_root, proof)
    forged = hashlib.sha256(old_root).digest()
    assert not merkle.verify_consistency(old, len(entries), forged, new_root, proof)
    if 0 < old < len(entries):
        assert not merkle.verify_consistency(old, len(entries), old_root, forged, proof)
        assert not merkle.verify_consistency(old, len(entries), old_root, new_root, proof[:-1])
