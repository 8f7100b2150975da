"""Messages come out of a stream as they went in, however it is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.ingest.receivers.framing import SyslogFrames

LINE = st.binary(min_size=1, max_size=40).map(
    lambda raw: b"<" + raw.replace(b"\n", b".").replace(b"\0", b".").replace(b"\r", b".")
)
COUNTED = st.binary(min_size=1, max_size=40).map(lambda raw: b"<" + raw + b">")
CUTS = st.lists(st.integers(min_value=1, max_value=30), min_size=1, max_size=50)


def fed(frames: SyslogFrames, data: bytes, cuts: list[int]) -> list[bytes]:
    found, at = [], 0
    for size in cuts * (len(data) // sum(cuts) + 1):
        found += frames.feed(data[at : at + size])
        at += size
    return found


@given(st.lists(st.one_of(LINE.map(lambda one: (0, one)), COUNTED.map(lambda one: (1, one)))), CUTS)
def test_messages_of_both_framings_come_out_whole_however_they_are_cut(
    messages: list[tuple[int, bytes]], cuts: list[int]
) -> None:
    data = b"".join(
        b"%d %s" % (len(one), one) if counted else one + b"\n" for counted, one in messages
    )
    assert fed(SyslogFrames(), data, cuts) == [one for _, one in messages]


@given(st.binary(max_size=2000), CUTS)
def test_any_bytes_give_the_same_however_they_are_cut_and_hold_little(
    data: bytes, cuts: list[int]
) -> None:
    whole, pieces = SyslogFrames(64), SyslogFrames(64)
    once = whole.feed(data) + whole.end()
    found = fed(pieces, data, cuts)
    assert len(pieces._held) <= 64 + 30 + 12
    assert found + pieces.end() == once
    assert all(0 < len(one) <= 64 for one in once)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\0"])
def test_a_line_ends_with_a_line_end_or_nul(end: bytes) -> None:
    assert SyslogFrames().feed(b"<1>a" + end + b"<2>b" + end) == [b"<1>a", b"<2>b"]


def test_a_message_with_line_ends_stays_one_when_it_is_counted() -> None:
    assert SyslogFrames().feed(b"7 <1>a\nb\n5 <2>cd") == [b"<1>a\nb", b"<2>cd"]


@pytest.mark.parametrize("sent", [b"<" + b"x" * 99 + b"\n<2>b\n", b"100 <" + b"x" * 99 + b"<2>b\n"])
def test_of_a_message_that_is_too_long_the_start_is_kept_and_the_next_one_is_whole(
    sent: bytes,
) -> None:
    frames = SyslogFrames(50)
    assert fed(frames, sent, [7]) == [b"<" + b"x" * 49, b"<2>b"]
    assert frames.cut == 1


def test_a_year_at_the_start_of_a_line_is_no_length() -> None:
    assert SyslogFrames().feed(b"2026-03-02T10:00:00Z h app: x\n") == [
        b"2026-03-02T10:00:00Z h app: x"
    ]


def test_what_was_sent_of_a_message_is_kept_when_the_sender_leaves() -> None:
    frames = SyslogFrames()
    assert frames.feed(b"20 <1>half") == []
    assert frames.end() == [b"<1>half"]
