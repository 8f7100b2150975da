"""What of a bus is kept follows from the spool, and outlives its files."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.errors import HomeDamagedError
from hauberk.ingest.formats.envelope import opened
from hauberk.ingest.receivers import Kind, Received, Source, spool
from hauberk.ingest.receivers.intake import Intake, Taken, records_of
from hauberk.ingest.receivers.positions import Positions
from hauberk.ingest.receivers.spool import Spool, mend, sweep

SOURCE = Source("bus", Kind.NATS)


def taken(position: int) -> Taken:
    """Records of two formats, which are spooled in two files."""
    text = b'{"a": %d}' % position if position % 2 else b"<34>Mar  2 10:00:00 h a: %d" % position
    return Taken("S~1", position, "logs", text)


def keep(folder: Path, batches: Sequence[Sequence[Taken]], floor: int = -1) -> Received:
    """Keep batches as one receiver does from its start to its end."""
    counted = Received()

    async def all_of_it() -> None:
        into = Spool(folder, 1 << 30, 0.0)
        flushing = asyncio.create_task(into.run())
        intake = Intake(SOURCE, into, counted, folder / "bus")
        intake.positions.log("S~1").raise_to(floor)
        for batch in batches:
            # By subject, so that each format has its file.
            await intake.keep([one._replace(subject=str(one.position % 2)) for one in batch])
        into.stop()
        await flushing

    asyncio.run(all_of_it())
    return counted


def kept(folder: Path) -> list[bytes]:
    lines = [
        line for path in sorted(folder.rglob("*.log")) for line in path.read_bytes().split(b"\n")
    ]
    return [one.sent for one in map(opened, lines) if one is not None]


def test_a_message_that_comes_again_is_kept_once_by_whoever_reads_next(tmp_path: Path) -> None:
    keep(tmp_path, [[taken(1), taken(2)], [taken(2), taken(4)]])
    counted = keep(tmp_path, [[taken(one) for one in range(1, 6)]])
    assert (counted.records, counted.again) == (2, 3)
    assert len(kept(tmp_path)) == len(set(kept(tmp_path))) == 5


def test_what_a_deleted_file_said_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(tmp_path, [[taken(0), taken(1)], [taken(2), taken(3)]])
    monkeypatch.setattr(spool, "_is_stored", lambda *_: True)
    assert sweep(tmp_path, frozenset(), lambda *_: [], grace=0) == 0
    Positions.of(tmp_path / "bus")  # as the next receiver does
    assert sweep(tmp_path, frozenset(), lambda *_: [], grace=0) == 2
    # The next file must not be taken for the one that is gone.
    counted = keep(tmp_path, [[taken(2), taken(3), taken(4)]])
    assert (counted.records, counted.again) == (1, 2)
    assert keep(tmp_path, [[taken(4)]]).again == 1


def test_a_floor_stands_for_all_below_it(tmp_path: Path) -> None:
    keep(tmp_path, [[taken(9)]], floor=7)
    counted = keep(tmp_path, [[taken(5), taken(7), taken(8), taken(9)]])
    assert (counted.records, counted.again) == (1, 3)


def test_positions_that_are_given_out_again_are_of_other_records(tmp_path: Path) -> None:
    keep(tmp_path, [[taken(1), taken(2), taken(9)]])
    positions = Positions.of(tmp_path / "bus")
    assert positions.newest("S~1") == "S~1"
    assert positions.anew("S~1", 4) == "S~1.1"
    again = Positions.of(tmp_path / "bus")
    assert again.newest("S~1") == "S~1.1"
    log = again.log("S~1.1")
    assert [log.lines_of(at) for at in (1, 2, 9)] == [1, 1, 0]
    assert [again.anew("S~1", 1) for _ in range(10)][-1] == again.newest("S~1") == "S~1.11"


def test_a_positions_file_that_is_damaged_is_told_of(tmp_path: Path) -> None:
    keep(tmp_path, [[taken(1)]])
    (tmp_path / "bus" / ".positions.json").write_text('{"logs": 3}')
    with pytest.raises(HomeDamagedError, match="which records of the bus are kept"):
        Positions.of(tmp_path / "bus")


@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_wherever_a_write_is_cut_off_each_record_is_there_once_in_the_end(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("home")
    messages = [taken(one) for one in range(12)]
    done = 0
    while done < len(messages):
        some = data.draw(st.integers(1, len(messages) - done))
        keep(folder, [messages[done : done + some]], floor=done - 1)
        # A kill leaves of the last batch any part of each file; its positions were not written.
        survives = data.draw(st.booleans())
        if survives:
            done += some
            continue
        for path in folder.rglob("*.log"):
            last = [
                line
                for line in path.read_bytes().splitlines(keepends=True)
                if (found := opened(line)) and int(found.transport.split(b"/")[2]) >= done
            ]
            size = path.stat().st_size
            cut = data.draw(st.integers(0, sum(map(len, last))))
            with path.open("r+b") as file:
                file.truncate(size - cut)
        (folder / "bus" / ".positions.json").unlink()
        mend(folder)
        again = data.draw(st.permutations(messages[max(0, done - 2) : done + some]))
        keep(folder, [again])
        done += some
    assert sorted(kept(folder)) == sorted(one.payload for one in messages)


@given(st.binary(max_size=200))
def test_any_payload_becomes_records_without_line_ends_of_json(payload: bytes) -> None:
    for one in records_of(payload):
        assert one.strip(b" \t\r\n\0")
