"""Cutting chunks into lines."""

from hypothesis import given
from hypothesis import strategies as st

from hauberk.ingest import RecordBatch
from hauberk.ingest.formats.lines import split_lines


def test_lines_end_with_either_line_end_and_the_last_needs_none() -> None:
    lines = split_lines(RecordBatch(b"one\r\ntwo\nthree", "f", offset=100))
    assert lines.texts == [b"one", b"two", b"three"]
    assert lines.offsets.tolist() == [100, 105, 109]
    assert lines.lengths.tolist() == [3, 3, 5]


def test_byte_order_mark_and_blank_lines_are_no_records() -> None:
    lines = split_lines(RecordBatch(b"\xef\xbb\xbf\n  \t\r\none\n\n", "f"))
    assert lines.texts == [b"one"]
    assert lines.offsets.tolist() == [9]


def test_utf16_lines_read_as_utf8_with_the_offsets_of_the_file() -> None:
    for order in ("utf-16-le", "utf-16-be"):
        mark = "\ufeff".encode(order)
        data = mark + "ä\r\n\u0a0ab\n \n".encode(order)
        lines = split_lines(RecordBatch(data, "f", head=data))
        assert lines.texts == ["ä".encode(), "\u0a0ab".encode()]
        assert lines.offsets.tolist() == [2, 8]
        later = split_lines(RecordBatch("c\n".encode(order), "f", offset=14, head=data))
        assert later.texts == [b"c"]
        assert later.offsets.tolist() == [14]


def test_a_line_over_the_limit_is_rejected_and_its_neighbours_are_kept() -> None:
    lines = split_lines(RecordBatch(b"ab\nabcdef\ncd\n", "f"), max_record=4)
    assert lines.texts == [b"ab", b"cd"]
    assert lines.numbers.tolist() == [0, 2]
    assert [(r.offset, r.length) for r in lines.rejects] == [(3, 6)]


def test_lines_that_prove_short_after_long_ones_are_cut_where_they_end() -> None:
    texts = [b"x" * 2_000] * 1_000 + [b"ab"] * 20_000 + [b"y" * 2_000] * 10
    lines = split_lines(RecordBatch(b"\n".join(texts), "f"))
    assert lines.texts == texts
    assert lines.offsets[1_001] - lines.offsets[1_000] == 3


@given(st.binary(max_size=200), st.booleans())
def test_every_byte_that_is_no_white_space_is_in_a_record(data: bytes, first: bool) -> None:
    lines = split_lines(RecordBatch(data, "f", offset=0 if first else 7))
    assert len(lines.texts) == len(lines.offsets)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") and first:
        return
    begin = 0 if first else 7
    covered = bytearray(data)
    for offset, length, text in zip(lines.offsets, lines.lengths, lines.texts, strict=True):
        assert data[offset - begin : offset - begin + length] == text
        covered[offset - begin : offset - begin + length] = b" " * int(length)
    left = bytes(covered)
    assert not left.removeprefix(b"\xef\xbb\xbf" if first else b"").strip()
