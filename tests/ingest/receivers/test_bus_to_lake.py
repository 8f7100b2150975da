"""From a bus into the lake: the whole watch is killed at random moments, and nothing is doubled."""

import asyncio
import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.ingest.receivers.kept import event

from hauberk.ingest.receivers import read_sources
from hauberk.pipeline import Pace, WatchOptions, watch
from hauberk.store import Home, verify
from hauberk.triage import Incident

nats = pytest.importorskip("nats")

MESSAGES = 12_000


class Heard:
    """Stops the watch when the bus holds nothing more and all is read."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self.last = Pace()

    def findings(self, found: pl.DataFrame) -> None: ...

    def incidents(self, ranked: Sequence[Incident]) -> None: ...

    def unread(self, source: str, reason: str) -> None: ...

    def fault(self, said: str) -> None: ...

    def pace(self, pace: Pace) -> None:
        self.last = pace
        if pace.sources and pace.sources[0].lag == 0 and not pace.behind:
            self._stop.set()


def test_a_watch_that_is_killed_stores_every_message_once(tmp_path: Path, nats_server: Any) -> None:
    server = nats_server()
    file, home = tmp_path / "sources.toml", tmp_path / "home"
    file.write_text(
        f'[sources.bus]\nkind = "nats"\nservers = ["{server.url}"]\nstream = "EVENTS"\n'
        'format = "suricata"\n'
    )

    async def send() -> None:
        client = await nats.connect(server.url)
        js = client.jetstream(timeout=10)
        await js.add_stream(name="EVENTS", subjects=["logs"])
        await js.add_consumer(
            "EVENTS",
            nats.js.api.ConsumerConfig(
                durable_name="hauberk-bus", ack_policy="explicit", ack_wait=2, max_ack_pending=5000
            ),
        )
        for at in range(0, MESSAGES, 200):
            await asyncio.gather(*(js.publish("logs", event(n)) for n in range(at, at + 200)))
            await asyncio.sleep(0.1)
        await client.close()

    sending = threading.Thread(target=asyncio.run, args=(send(),))
    sending.start()
    chance = random.Random(3)
    while sending.is_alive():
        process = subprocess.Popen(
            [sys.executable, "-m", "hauberk", "watch", "--sources", str(file), "--home", str(home),
             "--json"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(chance.uniform(3, 6))
        process.kill()
        process.wait()
    sending.join()
    stop = threading.Event()
    heard = Heard(stop)
    watch(WatchOptions([], home, sources=read_sources(file)), heard, stop)
    with Home.open(home, read_only=True) as opened:
        raw = pl.concat(
            opened.lake.scan(event_class, ["raw_data"]).collect()
            for event_class in opened.lake.event_classes()
        )
    numbers = [
        json.loads(one.partition(b" - - ")[2])["flow_id"]
        for one in raw["raw_data"].to_list()
        if b"flow_id" in one
    ]
    assert Counter(numbers) == Counter(range(MESSAGES))
    assert verify(home).ok
