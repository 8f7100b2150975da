"""A format that raises on a record loses that record and no other, and nothing goes uncounted."""

from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.ingest import Batch, Framing, Parsed, RecordBatch, format_named
from hauberk.ingest.sources.batches import batch_of
from hauberk.pipeline.parsing import parse
from hauberk.pipeline.salvaging import TRIES, FormatFault


class Brittle:
    """Auth logs, until a line says poison."""

    name, version, framing = "brittle", "1", Framing.LINES

    def __init__(self) -> None:
        self.asked = 0

    def sniff(self, head: bytes, path: object) -> float:
        return 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        self.asked += 1
        if b"poison" in records.data:
            raise KeyError("poison")
        return format_named("syslog").parse(records)


def line(number: int, what: str = "sshd") -> str:
    return (
        f"Mar  1 12:00:{number % 60:02} web1 {what}[{number}]: Failed password for root"
        f" from 192.0.2.{number % 250} port {1000 + number} ssh2\n"
    )


def batch(text: str, brittle: Brittle) -> Batch:
    base = RecordBatch(b"", "a.log", 0, text.encode()[:65536])
    return batch_of(base, brittle, text.encode(), 0)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.booleans(), min_size=1, max_size=60), st.booleans())
def test_every_line_is_an_event_or_a_dead_letter_in_its_place(
    poisoned: list[bool], blank: bool
) -> None:
    lines = [line(n, "poison" if bad else "sshd") for n, bad in enumerate(poisoned)]
    text = ("\n" if blank else "").join(lines)
    parsing = parse(batch(text, Brittle()), [])
    assert parsing.entry.records == len(lines)
    assert parsing.entry.events + parsing.entry.rejected == len(lines)
    data = text.encode()
    for letter in parsing.letters:
        assert data[letter.offset : letter.offset + letter.length].startswith(b"Mar")
    stored = [raw for frame in parsing.tables.values() for raw in frame["raw_data"]]
    assert sorted([*stored, *(one.bytes for one in parsing.letters)]) == sorted(
        one.encode().rstrip(b"\n") for one in lines
    )
    if sum(poisoned) <= 3:
        assert parsing.entry.rejected == sum(poisoned)


def test_one_line_of_many_is_found_with_few_tries_and_told() -> None:
    brittle = Brittle()
    lines = [line(n, "poison" if n == 7_777 else "sshd") for n in range(20_000)]
    parsing = parse(batch("".join(lines), brittle), [])
    assert parsing.entry.rejected == 1
    assert brittle.asked <= TRIES + 1
    (fault,) = parsing.faults
    assert isinstance(fault, FormatFault)
    assert "1 records" in str(fault)
    assert "KeyError" in parsing.letters[0].reason


def test_a_format_that_fails_on_everything_is_asked_a_bounded_number_of_times() -> None:
    brittle = Brittle()
    parsing = parse(batch("".join(line(n, "poison") for n in range(5_000)), brittle), [])
    assert parsing.entry.rejected == parsing.entry.records == 5_000
    assert brittle.asked <= TRIES + 1
