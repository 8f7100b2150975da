"""Batches that are committed together."""

from hauberk.pipeline.committing import LAST_BYTES, Portion


def test_the_end_of_the_input_is_committed_apart_where_it_is_small_beside_the_rest() -> None:
    portion = Portion(bytes=3 * LAST_BYTES)
    assert portion.outweighs(2 * LAST_BYTES)
    assert not portion.outweighs(4 * LAST_BYTES)
    assert not portion.outweighs(LAST_BYTES - 1)
