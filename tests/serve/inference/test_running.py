"""`hauberk serve` as a process: over TLS, followed within seconds, and counted to the end."""

import contextlib
import json
import runpy
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.serve.systems import free_port, hauberk, wait

from hauberk.detect.models import observed
from hauberk.models import Task, rollback
from hauberk.pipeline import ScanOptions, scan
from hauberk.serve.inference import TOKENS
from hauberk.serve.inference.counting import Requests
from hauberk.serve.inference.following import Following
from hauberk.serve.inference.judging import Judges
from hauberk.serve.inference.records import Record
from hauberk.store import Home, verify

pytest.importorskip("starlette")
pytest.importorskip("fastapi")  # the console makes its certificate

made: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "integration" / "judges.py"))
made_up = made["made_up"]


@dataclass
class Served:
    """`hauberk serve` of one home."""

    home: Path
    token: str = ""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        told = hauberk("serve", "token", "mailgate", "--home", self.home)
        self.token = told.stdout.split()[0]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hauberk.cli", "serve", "--home", str(self.home),
             "--listen", f"127.0.0.1:{self.port}", "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert said.startswith('{"judging":'), said

    def judge(self, *names: str) -> tuple[int, list[dict[str, Any]]]:
        body = "\n".join(json.dumps({"domain": name}) for name in names).encode()
        asked = urllib.request.Request(
            f"https://localhost:{self.port}/v1/judge/domain", body,
            {"authorization": f"Bearer {self.token}"},
        )  # fmt: skip
        trusted = ssl.create_default_context(cafile=str(self.home / "console" / "ca.pem"))
        try:
            with urllib.request.urlopen(asked, context=trusted, timeout=60) as answer:
                return answer.status, [json.loads(one) for one in answer.read().splitlines()]
        except urllib.error.HTTPError as error:
            return error.code, [json.loads(error.read())]

    def end(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture
def served(judging_once: Path, tmp_path: Path) -> Iterator[Served]:
    shutil.copytree(judging_once, tmp_path / "office")
    one = Served(tmp_path / "office" / "home")
    try:
        yield one
    finally:
        with contextlib.suppress(AttributeError):
            assert one.process is not None
            one.process.kill()
            one.process.wait()


@pytest.mark.slow
def test_it_answers_over_tls_until_a_rollback_and_what_was_asked_becomes_telemetry(
    served: Served, tmp_path: Path
) -> None:
    served.start()
    names = [made_up(at) for at in range(40)]
    status, said = served.judge(*names, "library.example")
    assert status == 200
    assert [one["flagged"] for one in said] == [True] * 40 + [False]
    with made["opened"](served.home.parent).home as home:
        rollback(home, Task.DOMAIN, reason="too loud")
    began = time.monotonic()
    wait(lambda: served.judge("library.example")[0] == 503, "the rollback to be followed", 20)
    assert time.monotonic() - began < 5
    assert served.end() == 0
    assert (served.home / TOKENS).stat().st_mode & 0o077 == 0
    assert served.token not in (served.home / TOKENS).read_text()
    assert verify(served.home).ok


def test_what_was_asked_is_counted_by_client_once_the_home_is_scanned(
    live: Any, tmp_path: Path
) -> None:
    path = live.home.path
    live.home.close()
    requests = Requests(path, lambda: datetime.now(UTC))
    judges = Judges(Following(path), requests)
    judges.following.look()
    records = [Record(name, name) for name in map(made_up, range(30))]
    for client, times in (("mailgate", 3), ("proxy", 1)):
        for _ in range(times):
            judges.judge(Task.DOMAIN, records, client, datetime.now(UTC), 0)
    assert requests.leave() == 2
    assert requests.leave() == 0
    requests.take()
    log = tmp_path / "x.json"
    log.write_text('{"class_uid": 6002, "product": "hauberk", "time": "2026-03-03T10:00:00Z"}\n')
    scan(ScanOptions(paths=(log,), home=path))
    with Home.open(path, read_only=True) as home:
        found = observed(home)
    assert found.tallies.select("judged", "flagged", "errors").rows() == [(120, 120, 0)]
    asked = found.queries.sort("client").select("client", "asked", pl.col("cells").list.sum())
    assert asked.rows() == [("mailgate", 90, 90), ("proxy", 30, 30)]
    scan(ScanOptions(paths=(log,), home=path))
    with Home.open(path, read_only=True) as home:
        assert observed(home).tallies["judged"].to_list() == [120]
