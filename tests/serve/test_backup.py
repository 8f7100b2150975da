"""A backup is one commit's state, whoever writes meanwhile; a restore trusts nothing in it."""

import hashlib
import io
import json
import shutil
import tarfile
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from tests.cli.commands import event, run

from hauberk.errors import HomeDamagedError, UsageError
from hauberk.pipeline import Pace, WatchOptions, watch
from hauberk.serve import back_up, restore
from hauberk.serve.doctor import Grade, examine
from hauberk.serve.restoring import _safe
from hauberk.serve.sealed_keys import seal, unseal
from hauberk.store import Home, verify
from hauberk.triage import Incident

NOW = datetime(2026, 3, 2, tzinfo=UTC)
PASSPHRASE = "correct horse battery"


def never() -> str:
    raise AssertionError("nobody should be asked")


def members(path: Path) -> dict[str, bytes]:
    with (
        zstandard.ZstdDecompressor().stream_reader(path.open("rb")) as packed,
        tarfile.open(fileobj=packed, mode="r|") as tar,
    ):
        return {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]


def faults(home: Path) -> set[str]:
    return {one.check for one in examine(home, NOW) if one.grade is Grade.FAULT}


def packed(path: Path, files: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> Path:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if kind != tarfile.REGTYPE and name != "manifest.json":
                info.type, info.linkname, info.size = kind, "/etc/passwd", 0
            tar.addfile(info, io.BytesIO(content))
    path.write_bytes(zstandard.ZstdCompressor().compress(data.getvalue()))
    return path


def manifest_for(files: dict[str, bytes]) -> bytes:
    return json.dumps(
        {
            "format": "hauberk-backup", "version": 1, "made": "", "commit": 1, "origin": "x",
            "keys_left_out": [],
            "files": {
                name: {"sha256": hashlib.sha256(one).hexdigest(), "bytes": len(one)}
                for name, one in files.items()
            },
        }
    ).encode()  # fmt: skip


def test_a_restored_home_verifies_and_holds_the_same(
    make_home: Callable[..., Path], tmp_path: Path
) -> None:
    home = make_home("a", "b")
    (home / "hauberk.toml").write_text("[watch]\n")
    (home / "spool" / "web").mkdir(parents=True)
    (home / "spool" / "web" / "1.syslog.log").write_bytes(b"whole line\nhalf")
    done = back_up(home, tmp_path / "b.tar.zst", NOW, PASSPHRASE)
    assert done.path.stat().st_mode & 0o777 == 0o600
    again = tmp_path / "again"
    told = restore(done.path, again, lambda: PASSPHRASE)
    assert told.missing_keys == ()
    assert verify(again).ok
    with Home.open(home, read_only=True) as one, Home.open(again, read_only=True) as other:
        assert one.records.findings().sort("uid").equals(other.records.findings().sort("uid"))
        assert one.ledger.checkpoint() == other.ledger.checkpoint()
    assert (again / "spool" / "web" / "1.syslog.log").read_bytes() == b"whole line\n"
    assert (again / "keys" / "ledger.pem").stat().st_mode & 0o777 == 0o600
    with Home.open(again):
        pass  # it can be written


def test_private_keys_are_in_no_backup_that_was_not_asked_to_hold_them(
    make_home: Callable[..., Path], tmp_path: Path
) -> None:
    home = make_home("a")
    done = back_up(home, tmp_path / "b.tar.zst", NOW)
    secret = (home / "keys" / "ledger.pem").read_bytes()
    assert "keys/ledger.pem" in done.left_out
    assert not any(secret in one for one in members(done.path).values())
    again, there = tmp_path / "again", []
    told = restore(done.path, again, never, lambda: there.append(again.exists()))
    assert there == [False]  # said before the home stands
    assert told.missing_keys == done.left_out
    assert [str(one.kind) + " " + one.where for one in verify(again).faults] == [
        "missing keys/ledger.pem"
    ]


def test_a_home_restored_without_keys_says_what_it_can_and_what_to_do_and_then_works_again(
    make_home: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, again = make_home("a"), tmp_path / "again"
    secrets = ("keys/inbox-console.key", "console/server.key", "console/ca.key")
    for name in secrets:
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_bytes(b"secret")
    (home / "keys" / "inference-tokens.json").write_bytes(b"{}")
    back_up(home, tmp_path / "b.tar.zst", NOW)
    assert run("restore", tmp_path / "b.tar.zst", "--home", again) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "can be read" in lines[0]
    assert "not written" in lines[0]
    told = [one.strip() for one in lines if one.startswith("  ")]
    assert [one.split()[0] for one in told] == ["keys/ledger.pem", *secrets]
    assert "begin another" in told[0]
    assert (again / "keys" / "inference-tokens.json").exists()  # digests are no secret
    assert "ledger key" in faults(again)
    with pytest.raises(HomeDamagedError):
        Home.open(again)
    for name in ("keys/ledger.pem", *secrets):
        (again / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(home / name, again / name)
    assert verify(again).ok
    assert "ledger key" not in faults(again)
    with Home.open(again):
        pass


def test_sealed_keys_open_with_their_passphrase_alone(
    make_home: Callable[..., Path], tmp_path: Path
) -> None:
    home = make_home("a")
    done = back_up(home, tmp_path / "b.tar.zst", NOW, PASSPHRASE)
    with pytest.raises(UsageError, match="passphrase is another"):
        restore(done.path, tmp_path / "again", lambda: "some other words")
    assert not (tmp_path / "again").exists()
    assert list(tmp_path.glob(".again*")) == []
    with pytest.raises(UsageError, match="fewer than"):
        back_up(home, tmp_path / "c.tar.zst", NOW, "short")


def test_keys_sealed_for_one_home_do_not_open_for_another() -> None:
    sealed = seal({"keys/a": b"x"}, PASSPHRASE, "one")
    assert unseal(sealed, PASSPHRASE, "one") == {"keys/a": b"x"}
    with pytest.raises(UsageError):
        unseal(sealed, PASSPHRASE, "two")


def test_a_damaged_home_is_not_backed_up(make_home: Callable[..., Path], tmp_path: Path) -> None:
    home = make_home("a")
    file = next((home / "lake").rglob("*.parquet"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(HomeDamagedError, match="not what was committed"):
        back_up(home, tmp_path / "b.tar.zst", NOW)
    file.unlink()
    with pytest.raises(HomeDamagedError, match="missing"):
        back_up(home, tmp_path / "b.tar.zst", NOW)
    assert list(tmp_path.glob("*.zst*")) == []
    assert list((home / "run").glob("backup-*")) == []


def test_records_that_are_on_a_server_are_not_taken_from_a_file_that_was_left(
    make_home: Callable[..., Path], tmp_path: Path
) -> None:
    home = make_home("a")
    (home / "records.postgresql").write_text("0123456789abcdef")
    with pytest.raises(UsageError, match="not in its folder"):
        back_up(home, tmp_path / "b.tar.zst", NOW)


def test_a_home_that_is_not_empty_is_not_overwritten(
    make_home: Callable[..., Path], tmp_path: Path
) -> None:
    home = make_home("a")
    done = back_up(home, tmp_path / "b.tar.zst", NOW)
    with pytest.raises(UsageError, match="something here"):
        restore(done.path, home, never)
    assert verify(home).ok


@pytest.mark.parametrize(
    "name", ["../out", "/tmp/out", "a/../../out", "a//b", "./a", "c:/out", "a\\b", "..", ""]
)
def test_no_member_leaves_the_home(tmp_path: Path, name: str) -> None:
    files = {name: b"x"}
    path = packed(tmp_path / "b", {"manifest.json": manifest_for(files), **files})
    with pytest.raises(HomeDamagedError):
        restore(path, tmp_path / "in" / "home", never)
    assert [one.name for one in tmp_path.rglob("*out*")] == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    files = {"link": b""}
    path = packed(tmp_path / "b", {"manifest.json": manifest_for(files), **files}, kind)
    with pytest.raises(HomeDamagedError):
        restore(path, tmp_path / "home", never)


def test_what_was_changed_added_or_left_out_is_refused(tmp_path: Path) -> None:
    files = {"a": b"one", "b": b"two"}
    manifest = {"manifest.json": manifest_for(files)}
    for changed in ({**files, "a": b"0ne"}, {**files, "c": b""}, {"a": b"one"}):
        with pytest.raises(HomeDamagedError):
            restore(packed(tmp_path / "b", {**manifest, **changed}), tmp_path / "home", never)
        assert not (tmp_path / "home").exists()


def test_a_backup_that_is_cut_short_anywhere_is_refused(
    make_home: Callable[..., Path], tmp_path: Path
) -> None:
    data = back_up(make_home("a"), tmp_path / "b.tar.zst", NOW).path.read_bytes()
    for at in [*range(1, len(data) - 1, len(data) // 12), *range(len(data) - 12, len(data))]:
        (tmp_path / "cut").write_bytes(data[:at])
        with pytest.raises(HomeDamagedError, match="no whole backup"):
            restore(tmp_path / "cut", tmp_path / "again", never)
        assert not (tmp_path / "again").exists()


@given(st.text(max_size=40))
def test_a_name_that_is_safe_stays_within_its_folder(name: str) -> None:
    if _safe(name):
        folder = Path("/home/of/it")
        assert (folder / name).resolve().is_relative_to(folder)
        assert (folder / name) != folder


class _Quiet:
    def __init__(self) -> None:
        self.records = 0

    def findings(self, found: pl.DataFrame) -> None: ...

    def incidents(self, ranked: Sequence[Incident]) -> None: ...

    def unread(self, source: str, reason: str) -> None: ...

    def fault(self, said: str) -> None: ...

    def pace(self, pace: Pace) -> None:
        self.records = pace.records


@pytest.mark.slow
def test_backups_beside_a_watch_that_writes_are_each_one_commit(tmp_path: Path) -> None:
    logs, home = tmp_path / "logs", tmp_path / "home"
    logs.mkdir()
    stop, quiet = threading.Event(), _Quiet()
    options = WatchOptions([logs], home, judge_every=1)
    watching = threading.Thread(target=watch, args=(options, quiet, stop))
    watching.start()
    made = []
    try:
        for number in range(12):
            with (logs / "events.json").open("a") as file:
                file.writelines(
                    event(f"vssadmin delete shadows /all {number} {at}", minute=number) + "\n"
                    for at in range(50)
                )
            stop.wait(1.0)
            if (home / "keys" / "ledger.pem").exists() and quiet.records:
                target = tmp_path / f"{number}.tar.zst"
                made.append(back_up(home, target, NOW, PASSPHRASE))
    finally:
        stop.set()
        watching.join()
    assert len({one.commit for one in made}) > 1
    for at in (made[0], made[-1]):
        again = tmp_path / f"again-{at.commit}"
        restore(at.path, again, lambda: PASSPHRASE)
        assert verify(again).faults == ()
    # Watched on, the restored home comes to what the first one has.
    stop.clear()
    late = threading.Thread(
        target=watch, args=(WatchOptions([logs], again, judge_every=60), quiet, stop)
    )
    quiet.records = 0
    late.start()
    stop.wait(8)
    stop.set()
    late.join()
    with Home.open(home, read_only=True) as one, Home.open(again, read_only=True) as other:
        assert one.lake.count() == other.lake.count() > 0
        uids = [
            set(of.records.findings().filter(pl.col("detector").str.contains("sigma"))["uid"])
            for of in (one, other)
        ]
    assert uids[0] == uids[1] != set()
