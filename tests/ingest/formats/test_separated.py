import gzip
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.ingest.formats.separated import separators_in, split_columns

VALUES = st.binary(max_size=6).filter(lambda value: not {9, 10, 13} & set(value))


ZSTANDARD = b"(\xb5/\xfd" + b" " * 20


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=6))
def test_values_come_back_as_they_were_written(rows: list[tuple[bytes, bytes, bytes]]) -> None:
    texts = [b"\t".join(row) for row in rows]
    assert separators_in(texts, b"\t").tolist() == [2] * len(rows)
    frame = split_columns(texts, b"\t", ["a", "b", "c"], "-")
    written = [tuple(value.decode("utf-8", "replace") for value in row) for row in rows]
    assert frame.rows() == [tuple(v if v != "-" else None for v in row) for row in written]


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(b"a" * 99, mtime=0), zlib.compress(b"b\tc"), ZSTANDARD],
    ids=["gzip", "zlib", "zstandard"],
)
def test_a_line_that_begins_like_a_compressed_file_is_not_unpacked(packed: bytes) -> None:
    line = packed.translate(None, b"\t\n\r")
    assert split_columns([line], b"\t", ["a"], None).rows() == [(line.decode("utf-8", "replace"),)]


def test_quotes_and_comment_signs_mean_nothing() -> None:
    texts = [b'"a,b', b'#c,""']
    assert split_columns(texts, b",", ["x", "y"], None).rows() == [('"a', "b"), ("#c", '""')]


def test_any_separator_of_one_byte_will_do() -> None:
    for code in range(128):
        separator = bytes([code])
        if separator in b"\n\r":
            continue
        texts = [separator.join((b"\x80", b"")), separator.join((b"", b""))]
        assert split_columns(texts, separator, ["x", "y"], None).rows() == [
            ("\ufffd", ""),
            ("", ""),
        ]
