"""What somebody who can write to a home tries, and the fault that names it."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hauberk.store import Commit, Fault, FaultKind, Home, merkle, verify

MakeHome = Callable[..., Path]


@pytest.fixture
def home(make_home: MakeHome) -> Path:
    return make_home("a", "b")


def faults(home: Path) -> list[Fault]:
    report = verify(home)
    assert report.ok == (not report.faults)
    return list(report.faults)


def kinds(found: list[Fault], where: str) -> set[FaultKind]:
    return {fault.kind for fault in found if where in fault.where}


def sql(home: Path, *statements: str) -> None:
    with closing(sqlite3.connect(home / "records.sqlite3")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def test_an_untouched_home_verifies(home: Path) -> None:
    report = verify(home)
    assert report.faults == ()
    assert report.counts["records"] == 46
    assert report.counts["events"] + report.counts["aggregated"] + report.counts["rejected"] == 46
    assert report.counts["batches"] == 2
    assert report.as_json()["ok"] is True


FILES = [
    "lake/authentication/day=*/*.parquet",
    "lake/findings/*.parquet",
    "lake/*/_delta_log/*.json",
    "states/*/*.arrow",
    "dead-letters/*.parquet",
    "keys/ledger.pub",
    "keys/ledger.pem",
]


@pytest.mark.parametrize("pattern", FILES)
def test_a_flipped_byte_in_any_file_is_named(home: Path, pattern: str) -> None:
    file = min(home.glob(pattern))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert kinds(faults(home), file.relative_to(home).as_posix())


@pytest.mark.parametrize("pattern", FILES[:5])
def test_a_deleted_file_is_named(home: Path, pattern: str) -> None:
    file = min(home.glob(pattern))
    file.unlink()
    assert FaultKind.MISSING in kinds(faults(home), file.relative_to(home).as_posix())


@pytest.mark.parametrize(
    "name",
    [
        "lake/authentication/day=2024-03-01/part-0000000009-00000.parquet",
        "lake/authentication/_delta_log/00000000000000000009.json",
        "lake/authentication/_delta_log/_last_checkpoint",
        "lake/other/file.parquet",
        "states/0000000007/00000.arrow",
        "dead-letters/0000000009.parquet",
    ],
)
def test_an_added_file_is_named(home: Path, name: str) -> None:
    (home / name).parent.mkdir(parents=True, exist_ok=True)
    (home / name).write_bytes(b"PAR1")
    assert kinds(faults(home), name) == {FaultKind.ADDED}


def test_swapped_files_are_named(home: Path) -> None:
    one, two = sorted(home.glob("lake/authentication/day=*/*.parquet"))
    one.rename(home / "aside")
    two.rename(one)
    (home / "aside").rename(two)
    assert len({fault.where for fault in faults(home) if fault.kind is FaultKind.CHANGED}) == 2


def test_a_file_behind_a_symbolic_link_is_not_the_file(home: Path) -> None:
    file = min(home.glob("states/*/*.arrow"))
    shutil.move(file, home / "elsewhere")
    file.symlink_to(home / "elsewhere")
    assert kinds(faults(home), file.name)


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("UPDATE incidents SET probability = 0.01 WHERE uid = 'i-a'", "incident i-a"),
        ("UPDATE incidents SET body = replace(body, 'story', 'glory')", "incident i-b"),
        ("DELETE FROM incidents WHERE uid = 'i-a'", "incident i-a"),
        (
            "INSERT INTO incidents SELECT 'i-c', number, position, probability, start, \"end\","
            " above_budget, body FROM incidents WHERE uid = 'i-a'",
            "incident i-c",
        ),
        ("UPDATE batches SET rejected = 0, events = 21 WHERE batch_id = 'a'", "batch a"),
        ("DELETE FROM batches WHERE batch_id = 'a'", "batch a"),
        ("UPDATE files SET rows = 1", "file lake/"),
        ("UPDATE files SET replaced_by = 2 WHERE table_name = 'findings'", "file lake/findings"),
        ("DELETE FROM states WHERE number = 1", "state"),
        ("UPDATE commits SET facts = '{}' WHERE number = 1", "commit 1"),
        ("DELETE FROM dead_letters WHERE number = 1", "dead letters of commit 1"),
        ("UPDATE lake_tables SET version = 0 WHERE name = 'findings'", "table findings"),
        ("UPDATE heads SET data = x'00'", "head of a file"),
        ("UPDATE home SET value = 'somebody'", "origin"),
        ("UPDATE ledger_entries SET entry = x'7b7d' WHERE position = 1", "ledger entry 1"),
        ("DELETE FROM ledger_entries WHERE position = 1", "ledger entry"),
        ("DELETE FROM ledger_entries WHERE position = 5", "ledger entry 5"),
        ("INSERT INTO ledger_entries VALUES (6, x'7b7d')", "ledger entry 6"),
        ("UPDATE ledger_nodes SET hash = zeroblob(32) WHERE level = 1", "ledger node 1/"),
        ("DELETE FROM ledger_nodes WHERE level = 2", "ledger node 2/"),
        ("UPDATE checkpoints SET note = replace(note, char(10) || '6', '5')", "checkpoint"),
        ("DELETE FROM checkpoints WHERE size = 6", "checkpoint of size 6"),
    ],
)
def test_an_edited_row_is_named(home: Path, statement: str, where: str) -> None:
    sql(home, statement)
    assert kinds(faults(home), where)


def test_reordered_entries_are_named(home: Path) -> None:
    sql(
        home,
        "UPDATE ledger_entries SET position = 99 WHERE position = 1",
        "UPDATE ledger_entries SET position = 1 WHERE position = 4",
        "UPDATE ledger_entries SET position = 4 WHERE position = 99",
    )
    found = faults(home)
    assert FaultKind.REORDERED in kinds(found, "ledger entry 1")
    assert FaultKind.REORDERED in kinds(found, "ledger entry 4")


def test_an_edited_entry_with_its_hashes_made_to_fit_fails_the_signature(home: Path) -> None:
    with closing(sqlite3.connect(home / "records.sqlite3")) as connection:
        rows = connection.execute("SELECT entry FROM ledger_entries ORDER BY position").fetchall()
        entries = [row[0] for row in rows]
        entries[3] = entries[3].replace(b'"rejected":1', b'"rejected":0')
        nodes: dict[tuple[int, int], bytes] = {}
        for size, entry in enumerate(entries):
            grown = merkle.grow(lambda level, at: nodes[level, at], size, merkle.leaf_hash(entry))
            for level, at, value in grown:
                nodes[level, at] = value
                connection.execute(
                    "UPDATE ledger_nodes SET hash = ? WHERE level = ? AND position = ?",
                    (value, level, at),
                )
            connection.execute(
                "UPDATE ledger_entries SET entry = ? WHERE position = ?", (entry, size)
            )
        connection.commit()
    found = faults(home)
    assert FaultKind.CHANGED in kinds(found, "checkpoint of size 6")
    assert not kinds(found, "checkpoint of size 3")


def test_a_home_that_was_cut_back_whole_is_caught_by_a_checkpoint_kept_outside(
    home: Path, tmp_path: Path, full_commit: Callable[..., Commit]
) -> None:
    older = tmp_path / "older"
    shutil.copytree(home, older)
    with Home.open(home) as opened:
        opened.commit(full_commit("c"))
        kept = opened.ledger.checkpoint()
    assert verify(home, trusted=kept).ok
    assert verify(older).ok
    report = verify(older, trusted=kept)
    assert [fault.kind for fault in report.faults] == [FaultKind.MISSING]


def test_a_home_that_was_written_anew_is_caught_by_a_key_kept_outside(
    home: Path, tmp_path: Path, full_commit: Callable[..., Commit]
) -> None:
    kept = (home / "keys" / "ledger.pub").read_text()
    with Home.open(tmp_path / "forged") as forged:
        forged.commit(full_commit("a"))
    assert verify(home, public_key=kept).ok
    assert FaultKind.SIGNATURE in {
        fault.kind for fault in verify(tmp_path / "forged", public_key=kept).faults
    }


def flipped(home: Path, data: bytes) -> Iterator[int]:
    """Flip one byte after another of the records database, over all of its pages."""
    file = home / "records.sqlite3"
    for at in range(0, len(data), 2039):
        changed = bytearray(data)
        changed[at] ^= 0x55
        file.write_bytes(changed)
        yield at
    file.write_bytes(data)


@pytest.mark.slow
def test_a_damaged_records_database_is_told_and_never_raised(home: Path) -> None:
    for side in ("-wal", "-shm"):
        (home / f"records.sqlite3{side}").unlink(missing_ok=True)
    data = (home / "records.sqlite3").read_bytes()
    found = sum(not verify(home).ok for _ in flipped(home, data))
    assert found
    assert verify(home).ok
