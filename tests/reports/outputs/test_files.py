"""A file of JSON lines: whole lines, turned over, moved by others."""

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from tests.reports.outputs.conftest import message

from hauberk.reports.outputs import NotSentError, Output, sender_of
from hauberk.reports.outputs.files import FileSender, LinesFile

Configured = Callable[..., list[Output]]


def ids(path: Path) -> list[str]:
    return [orjson.loads(one)["metadata"]["uid"] for one in path.read_bytes().splitlines()]


def test_full_files_are_turned_over_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    line = len(message(0).data) + 1
    sender = FileSender(LinesFile(path, size=2 * line, keep=2))
    for number in range(7):
        sender.send([message(number)])
    assert ids(path) == ["id-6"]
    assert ids(tmp_path / "out.jsonl.1") == ["id-4", "id-5"]
    assert ids(tmp_path / "out.jsonl.2") == ["id-2", "id-3"]
    assert len(list(tmp_path.iterdir())) == 3
    assert path.stat().st_mode & 0o077 == 0


def test_half_a_line_that_a_kill_left_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(message(1).data + b"\n" + message(2).data[:9])
    FileSender(LinesFile(path, 1 << 20, 2)).send([message(2)])
    assert ids(path) == ["id-1", "id-2"]


def test_a_file_that_somebody_moved_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    sender = FileSender(LinesFile(path, 1 << 20, 2))
    sender.send([message(1)])
    path.rename(tmp_path / "moved")
    sender.send([message(2)])
    assert ids(path) == ["id-2"]
    assert ids(tmp_path / "moved") == ["id-1"]


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("")
    (tmp_path / "out.jsonl").symlink_to(other)
    with pytest.raises(NotSentError):
        FileSender(LinesFile(tmp_path / "out.jsonl", 1 << 20, 2)).send([message(1)])
    assert other.read_text() == ""


def test_a_folder_that_is_not_there_is_found_by_the_check(
    configured: Configured, tmp_path: Path
) -> None:
    (output,) = configured(f'[outputs.f]\nkind = "file"\npath = "{tmp_path}/none/out.jsonl"\n')
    with pytest.raises(NotSentError, match="cannot be written"):
        sender_of(output).check()
