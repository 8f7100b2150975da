"""A real JetStream server: every message once, whoever is killed, and none before there is room."""

import asyncio
import json
import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.ingest.receivers.kept import event, kept, until

from hauberk.errors import HauberkError
from hauberk.ingest.receivers import Receiving, Source, Sources, probe, read_sources
from hauberk.ingest.receivers import bus as buses
from hauberk.ingest.receivers import spool as spools

nats = pytest.importorskip("nats")

SOURCE = """
[[source]]
name = "bus"
kind = "nats"
servers = ["{url}"]
stream = "EVENTS"
"""


def sources_file(folder: Path, url: str, more: str = "") -> Path:
    path = folder / "sources.toml"
    path.write_text(SOURCE.format(url=url) + more)
    return path


def with_stream(url: str, act: Callable[[Any], Coroutine[Any, Any, None]], **options: Any) -> None:
    async def run() -> None:
        client = await nats.connect(url, max_reconnect_attempts=1, **options)
        await act(client.jetstream(timeout=5))
        await client.close()

    asyncio.run(run())


def make_stream(url: str, **options: Any) -> None:
    async def act(js: Any) -> None:
        await js.add_stream(name="EVENTS", subjects=["logs.>"])

    with_stream(url, act, **options)


def publish(url: str, payloads: list[bytes], subject: str = "logs.a", **options: Any) -> None:
    async def act(js: Any) -> None:
        for at in range(0, len(payloads), 500):
            await asyncio.gather(*(js.publish(subject, one) for one in payloads[at : at + 500]))

    with_stream(url, act, **options)


def test_every_message_arrives_once_and_in_order(tmp_path: Path, nats_server: Any) -> None:
    server = nats_server()
    make_stream(server.url)
    sent = [event(number) for number in range(5_000)]
    publish(server.url, sent)
    sources = read_sources(sources_file(tmp_path, server.url))
    with Receiving(sources, tmp_path) as receiving:
        until(lambda: receiving.counted["bus"].records == len(sent))
        until(lambda: receiving.counted["bus"].lag == 0)
        publish(server.url, [b"late"])
        until(lambda: receiving.counted["bus"].records == len(sent) + 1)
    assert kept(tmp_path) == [*sent, b"late"]


def test_what_is_there_already_is_not_kept_again_when_the_server_forgets_what_it_was_told(
    tmp_path: Path, nats_server: Any
) -> None:
    server = nats_server()
    make_stream(server.url)
    sent = [event(number) for number in range(300)]
    publish(server.url, sent)
    path = sources_file(tmp_path, server.url)
    with Receiving(read_sources(path), tmp_path) as receiving:
        until(lambda: receiving.counted["bus"].lag == 0)

    async def forget(js: Any) -> None:
        await js.delete_consumer("EVENTS", "hauberk-bus")

    with_stream(server.url, forget)
    publish(server.url, [b"new"])
    # The files may be gone by then: what they said must have been kept.
    for one in (tmp_path / "spool" / "bus").glob("*.log"):
        one.rename(tmp_path / one.name)
    with Receiving(read_sources(path), tmp_path) as receiving:
        until(lambda: receiving.counted["bus"].again == len(sent))
        until(lambda: receiving.counted["bus"].records == 1)
    assert kept(tmp_path) == [b"new"]


def test_a_stream_that_is_made_anew_is_read_from_its_start(
    tmp_path: Path, nats_server: Any
) -> None:
    server = nats_server()
    path = sources_file(tmp_path, server.url)

    async def forget(js: Any) -> None:
        await js.delete_stream("EVENTS")

    for word in (b"old", b"new"):
        make_stream(server.url)
        publish(server.url, [word + b" %d" % number for number in range(50)])
        with Receiving(read_sources(path), tmp_path) as receiving:
            until(lambda: receiving.counted["bus"].lag == 0)
        with_stream(server.url, forget)
    assert Counter(one.split()[0] for one in kept(tmp_path)) == {b"old": 50, b"new": 50}


def test_a_message_of_json_lines_is_as_many_records(tmp_path: Path, nats_server: Any) -> None:
    server = nats_server()
    make_stream(server.url)
    spread = b'{\n  "timestamp": "2026-03-02T10:00:00.0+0000",\n  "event_type": "tls"\n}'
    publish(server.url, [b"\n".join([event(1), event(2), b""]), spread, b"", b"a\nb"])
    with Receiving(read_sources(sources_file(tmp_path, server.url)), tmp_path) as receiving:
        until(lambda: receiving.counted["bus"].lag == 0)
        assert receiving.counted["bus"].records == 4
    found = kept(tmp_path)
    assert found[:2] == [event(1), event(2)]
    assert json.loads(found[2]) == json.loads(spread)
    assert found[3] == b"a\nb"


def test_while_there_is_no_room_nothing_is_pulled_and_nothing_is_lost(
    tmp_path: Path, nats_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = nats_server()
    make_stream(server.url)
    full = True
    monkeypatch.setattr(spools.Spool, "full", property(lambda _self: full))
    sent = [event(number) for number in range(2_000)]
    publish(server.url, sent)
    with Receiving(read_sources(sources_file(tmp_path, server.url)), tmp_path) as receiving:
        counted = receiving.counted["bus"]
        until(lambda: counted.held_back > 2 and counted.lag == len(sent))
        assert counted.records == 0
        full = False
        until(lambda: counted.records == len(sent))
    assert kept(tmp_path) == sent


def test_a_server_that_is_not_there_yet_is_told_of_and_tried_again(
    tmp_path: Path, nats_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(buses, "LONGEST_PAUSE", 0.2)
    server = nats_server()
    make_stream(server.url)
    publish(server.url, [b"one"])
    server.kill()
    with Receiving(read_sources(sources_file(tmp_path, server.url)), tmp_path) as receiving:
        counted = receiving.counted["bus"]
        until(lambda: "cannot be read" in counted.fault)
        server.start()
        until(lambda: counted.records == 1)
        until(lambda: counted.fault == "")
        server.kill()
        until(lambda: counted.fault != "")


@pytest.mark.slow
def test_whoever_is_killed_every_message_is_there_once(
    tmp_path: Path, nats_server: Any,
    receiver: Callable[[Path, Path], "subprocess.Popen[bytes]"],
) -> None:  # fmt: skip
    chance = random.Random(7)
    server = nats_server()
    make_stream(server.url)

    async def impatient(js: Any) -> None:
        config = nats.js.api.ConsumerConfig(
            durable_name="hauberk-bus", ack_policy="explicit", ack_wait=2, max_ack_pending=5000
        )
        await js.add_consumer("EVENTS", config)

    with_stream(server.url, impatient)
    path = sources_file(tmp_path, server.url)
    confirmed: list[bytes] = []
    unsure: set[bytes] = set()

    def send() -> None:
        number = 0
        while number < 10_000:
            some = [event(at) for at in range(number, number + 500)]
            try:
                publish(server.url, some)
            except Exception:  # noqa: BLE001  # the server was killed: some of these may be there
                unsure.update(some)
                time.sleep(0.1)
            else:
                confirmed.extend(some)
            number += 500

    sending = threading.Thread(target=send)
    sending.start()
    kills = 0
    while sending.is_alive() or kills < 6:
        process = receiver(path, tmp_path)
        time.sleep(chance.uniform(0.05, 0.5))
        if chance.random() < 0.35:
            server.kill()
            server.start()
        process.kill()
        process.wait()
        kills += 1
    sending.join()
    with Receiving(read_sources(path), tmp_path) as receiving:
        until(lambda: receiving.counted["bus"].lag == 0, 60)
    counts = Counter(kept(tmp_path))
    assert kills >= 6
    assert set(confirmed) <= set(counts)
    assert set(counts) <= set(confirmed) | unsure
    assert set(counts.values()) == {1}


def test_a_key_signs_instead_of_a_secret_being_sent(tmp_path: Path, nats_server: Any) -> None:
    nkeys = pytest.importorskip("nkeys")
    seed = nkeys.encode_seed(bytes(range(32)), nkeys.PREFIX_BYTE_USER)
    public = nkeys.from_seed(bytearray(seed)).public_key.decode()
    config = tmp_path / "server.conf"
    config.write_text(f"authorization: {{ users: [ {{ nkey: {public} }} ] }}")
    (tmp_path / "seed").write_bytes(bytes(seed) + b"\n")
    server = nats_server("--config", str(config))
    login = f'login = {{ nkey = "{tmp_path}/seed" }}'
    (source,) = read_sources(sources_file(tmp_path, server.url, login)).sources
    with pytest.raises(HauberkError, match="there is no stream EVENTS"):
        asyncio.run(probe(source))
    (source,) = read_sources(sources_file(tmp_path, server.url)).sources
    with pytest.raises(HauberkError, match=r"(?i)authorization"):
        asyncio.run(probe(source))


@pytest.mark.parametrize("way", ["token", "user"])
def test_a_secret_comes_from_a_file_and_a_wrong_one_is_told(
    tmp_path: Path, nats_server: Any, way: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct-horse\n")
    secret.chmod(0o600)
    if way == "token":
        server = nats_server("--auth", "correct-horse")
        login, options = f'login = {{ token = "{secret}" }}', {"token": "correct-horse"}
    else:
        server = nats_server("--user", "us", "--pass", "correct-horse")
        login = f'login = {{ user = "us", password = "{secret}" }}'
        options = {"user": "us", "password": "correct-horse"}
    make_stream(server.url, **options)
    publish(server.url, [b"x"], **options)
    (source,) = read_sources(sources_file(tmp_path, server.url, login)).sources
    assert asyncio.run(probe(source)) == "1 messages, and no consumer hauberk-bus yet"
    secret.write_text("wrong")
    with pytest.raises(HauberkError, match=r"(?i)authorization"):
        asyncio.run(probe(source))


def test_over_tls_the_server_must_be_who_it_says_and_may_ask_who_we_are(
    tmp_path: Path, nats_server: Any, tls_files: Path
) -> None:
    server = nats_server(
        "--tlsverify", "--tlscert", str(tls_files / "server.pem"),
        "--tlskey", str(tls_files / "server.key"), "--tlscacert", str(tls_files / "ca.pem"),
    )  # fmt: skip
    url = server.url.replace("nats:", "tls:")
    ca = f'ca = "{tls_files}/ca.pem"'
    ours = f'certificate = "{tls_files}/client.pem", key = "{tls_files}/client.key"'

    def source(tls: str) -> Source:
        return read_sources(sources_file(tmp_path, url, f"tls = {{ {tls} }}")).sources[0]

    with pytest.raises(HauberkError, match=r"there is no stream EVENTS"):
        asyncio.run(probe(source(f"{ca}, {ours}")))
    with pytest.raises(HauberkError, match=r"(?i)certificate"):
        asyncio.run(probe(source(ours)))
    with pytest.raises(HauberkError):
        asyncio.run(probe(source(ca)))


def test_somebody_elses_consumer_is_refused(tmp_path: Path, nats_server: Any) -> None:
    server = nats_server()
    make_stream(server.url)

    async def pushed(js: Any) -> None:
        config = nats.js.api.ConsumerConfig(durable_name="theirs", deliver_subject="somewhere")
        await js.add_consumer("EVENTS", config)

    with_stream(server.url, pushed)
    path = sources_file(tmp_path, server.url, 'durable = "theirs"')
    with pytest.raises(HauberkError, match="another's: it is pushed to"):
        asyncio.run(probe(read_sources(path).sources[0]))
    with Receiving(Sources(read_sources(path).sources), tmp_path) as receiving:
        until(lambda: "another's" in receiving.counted["bus"].fault)
