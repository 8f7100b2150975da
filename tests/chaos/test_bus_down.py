"""A bus that is killed and comes back under a watch: the status says so, and nothing is missing."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tests.chaos.watching import lines_of, records, watching
from tests.ingest.receivers.conftest import nats_server  # noqa: F401  # a fixture

from hauberk.store import verify

nats = pytest.importorskip("nats")
pytestmark = pytest.mark.slow


def event(number: int) -> bytes:
    record = {
        "timestamp": "2026-03-02T10:00:00.000000+0000", "flow_id": number, "event_type": "dns",
        "src_ip": "10.0.0.1", "dest_ip": "10.0.0.2", "proto": "UDP",
    }  # fmt: skip
    return json.dumps(record).encode()


async def publish(url: str, numbers: range, *, first: bool = False) -> None:
    client = await nats.connect(url)
    stream = client.jetstream(timeout=10)
    if first:
        await stream.add_stream(name="EVENTS", subjects=["logs"])
    for one in numbers:
        await stream.publish("logs", event(one))
    await client.close()


def test_a_bus_that_is_killed_is_told_of_and_read_on_when_it_is_back(
    home_path: Path,
    tmp_path: Path,
    nats_server: Any,  # noqa: F811
) -> None:
    server = nats_server()
    asyncio.run(publish(server.url, range(100), first=True))
    sources = tmp_path / "sources.toml"
    sources.write_text(
        f'[sources.bus]\nkind = "nats"\nservers = ["{server.url}"]\nstream = "EVENTS"\n'
        'format = "suricata"\n'
    )

    def bus() -> dict[str, Any]:
        found = watch.pace().get("sources") or [{}]
        return dict(found[0])

    with watching(tmp_path, home_path) as watch:
        watch.start("--sources", sources)
        watch.wait(lambda: bus().get("records") == 100, "the first messages")
        server.kill()
        watch.wait(lambda: bus().get("fault"), "the fault to be told")
        server.start()
        asyncio.run(publish(server.url, range(100, 200)))
        watch.wait(lambda: bus().get("records") == 200, "what came after")
        watch.wait(lambda: not bus().get("fault"), "the fault to be over")
        server.kill()
        watch.kill()
        server.start()
        asyncio.run(publish(server.url, range(200, 250)))
        watch.start("--sources", sources)
        watch.wait(lambda: records(home_path) >= 250, "the rest")
        assert watch.end() == 0
    there = Counter(one[one.find("{") :] for one in lines_of(home_path).elements())
    assert there == Counter(event(one).decode() for one in range(250))
    assert verify(home_path).ok
