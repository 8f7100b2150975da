"""What is promised is on the device, and goes only once it is proven to be stored."""

import asyncio
import hashlib
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from hauberk.ingest.receivers import spool as spools
from hauberk.ingest.receivers.spool import Spool, mend, sweep


def run(folder: Path, work: Callable[[Spool], Coroutine[Any, Any, None]], **bounds: Any) -> Spool:
    async def all_of_it() -> Spool:
        spool = Spool(folder, **{"max_bytes": 1 << 30, "min_free": 0.0, **bounds})
        flushing = asyncio.create_task(spool.run())
        await asyncio.sleep(0)
        try:
            await work(spool)
        finally:
            spool.stop()
            await flushing
        return spool

    return asyncio.run(all_of_it())


def kept(folder: Path) -> list[bytes]:
    return [
        line
        for path in sorted(folder.rglob("*.log"))
        for line in path.read_bytes().split(b"\n")[1:-1]
    ]


def test_what_is_durable_stands_in_the_file_before_anybody_is_told(tmp_path: Path) -> None:
    async def work(spool: Spool) -> None:
        spool.append("web", "journald", b"one\ntwo\n")
        await spool.durable()
        assert kept(tmp_path) == [b"one", b"two"]

    run(tmp_path, work)
    (path,) = tmp_path.rglob("*.log")
    assert path.name == "0000000001.journald.log"
    assert path.stat().st_mode & 0o077 == 0


def test_many_that_wait_share_few_flushes(tmp_path: Path) -> None:
    async def work(spool: Spool) -> None:
        async def one(number: int) -> None:
            spool.append("web", "journald", b"%d\n" % number)
            await spool.durable()

        await asyncio.gather(*(one(number) for number in range(200)))

    spool = run(tmp_path, work)
    assert sorted(map(int, kept(tmp_path))) == list(range(200))
    assert spool.flushes < 20


def test_what_nobody_waits_for_is_kept_when_it_ends_in_order(tmp_path: Path) -> None:
    async def work(spool: Spool) -> None:
        spool.append("tcp", "syslog", b"last\n")

    run(tmp_path, work)
    assert kept(tmp_path) == [b"last"]


def test_files_end_at_their_size_and_no_number_is_used_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spools, "FILE_BYTES", 100)

    async def work(spool: Spool) -> None:
        for number in range(6):
            spool.append("tcp", "syslog", b"%d %s\n" % (number, b"x" * 40))
            await spool.durable()

    run(tmp_path, work)
    run(tmp_path, work)
    names = [path.name for path in sorted(tmp_path.rglob("*.log"))]
    assert names == [f"{number:010}.syslog.log" for number in range(1, len(names) + 1)]
    assert len(names) >= 6
    assert len(kept(tmp_path)) == 12


def test_a_device_that_refuses_holds_senders_back_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fdatasync
    refused: list[int] = []

    def sync(descriptor: int) -> None:
        if len(refused) < 1:
            refused.append(descriptor)
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", sync)
    full = []

    async def work(spool: Spool) -> None:
        spool.append("tcp", "syslog", b"a\n")
        waiting = asyncio.create_task(spool.durable())
        await asyncio.sleep(0.3)
        full.append(spool.full)
        assert not waiting.done()
        await waiting

    run(tmp_path, work)
    assert full == [True]
    assert kept(tmp_path) == [b"a"]


def test_it_is_full_at_its_bound(tmp_path: Path) -> None:
    seen = []

    async def work(spool: Spool) -> None:
        seen.append(spool.full)
        spool.append("tcp", "syslog", b"x" * 2000 + b"\n")
        await spool.durable()
        await asyncio.sleep(1.2)
        spool.append("tcp", "syslog", b"x\n")
        await spool.durable()
        await asyncio.sleep(0.1)
        seen.append(spool.full)

    run(tmp_path, work, max_bytes=1000)
    assert seen == [False, True]


def test_a_line_that_a_kill_cut_short_is_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "tcp" / "0000000001.syslog.log"
    path.parent.mkdir()
    path.write_bytes(b"#head\nwhole\nhal")
    mend(tmp_path)
    assert path.read_bytes() == b"#head\nwhole\n"
    path.write_bytes(b"no end at all")
    mend(tmp_path)
    assert path.read_bytes() == b""


def test_a_file_goes_when_all_of_it_is_stored_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "tcp" / "0000000001.syslog.log"
    path.parent.mkdir()
    whole = b"#head\none\ntwo\n"
    path.write_bytes(whole)

    def known(stored: bytes) -> Callable[[str, int], list[tuple[int, str]]]:
        digest = hashlib.sha256(stored).hexdigest()
        return lambda _first, start: [(len(stored), digest)] if start == 0 else []

    assert sweep(tmp_path, frozenset(), known(whole[:10]), grace=0) == 0
    assert sweep(tmp_path, frozenset({path}), known(whole), grace=0) == 0
    assert sweep(tmp_path, frozenset(), known(whole), grace=60) == 0
    assert sweep(tmp_path, frozenset(), known(whole), grace=0) == 1
    assert not path.exists()
