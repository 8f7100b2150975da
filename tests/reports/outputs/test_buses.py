"""NATS and Kafka for real: acknowledged messages with ids, and what each refuses."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.ingest.receivers.conftest import BROKER, NatsServer, nats_server
from tests.reports.outputs.conftest import message

from hauberk.errors import UsageError
from hauberk.reports.outputs import NotSentError, Output, sender_of

__all__ = ["nats_server"]

Configured = Callable[..., list[Output]]
nats = pytest.importorskip("nats")
kafka = pytest.importorskip("confluent_kafka")


def in_stream(url: str, subject: str = "hauberk.out") -> list[tuple[str, bytes]]:
    async def read() -> list[tuple[str, bytes]]:
        connected = await nats.connect(url)
        taken = await connected.jetstream().subscribe(subject, ordered_consumer=True)
        found = []
        try:
            while True:
                one = await taken.next_msg(timeout=0.5)
                found.append((one.headers["Nats-Msg-Id"], one.data))
        except nats.errors.TimeoutError:
            await connected.close()
        return found

    return asyncio.run(read())


def make_stream(url: str) -> None:
    async def make() -> None:
        connected = await nats.connect(url)
        await connected.jetstream().add_stream(name="OUT", subjects=["hauberk.>"])
        await connected.close()

    asyncio.run(make())


def nats_output(configured: Configured, server: NatsServer) -> Output:
    (output,) = configured(
        f'[outputs.bus]\nkind = "nats"\nservers = ["{server.url}"]\nsubject = "hauberk.out"\n'
    )
    return output


def test_nats_keeps_what_is_sent_again_once_and_in_order(
    configured: Configured, nats_server: Callable[..., NatsServer]
) -> None:
    server = nats_server()
    make_stream(server.url)
    sender = sender_of(nats_output(configured, server))
    assert "OUT" in sender.check()
    sender.send([message(n) for n in range(50)])
    sender.send([message(n) for n in range(25, 75)])
    sender.close()
    assert in_stream(server.url) == [(f"id-{n}", message(n).data) for n in range(75)]


def test_nats_without_a_stream_takes_nothing_and_a_large_message_is_refused(
    configured: Configured, nats_server: Callable[..., NatsServer]
) -> None:
    server = nats_server()
    sender = sender_of(nats_output(configured, server))
    with pytest.raises(NotSentError, match="no stream takes hauberk"):
        sender.send([message(1)])
    make_stream(server.url)
    refused = sender.send([message(1), message(2, data=b"x" * (2 << 20)), message(3)])
    assert [one.message.id for one in refused] == ["id-2"]
    sender.close()
    assert [identity for identity, _ in in_stream(server.url)] == ["id-1", "id-3"]


def test_nats_that_dies_is_told_of_and_found_again(
    configured: Configured, nats_server: Callable[..., NatsServer]
) -> None:
    server = nats_server()
    make_stream(server.url)
    sender = sender_of(nats_output(configured, server))
    sender.send([message(1)])
    server.kill()
    with pytest.raises(NotSentError):
        sender.send([message(2)])
    server.start()
    sender.send([message(2)])
    sender.close()
    assert [identity for identity, _ in in_stream(server.url)] == ["id-1", "id-2"]


@pytest.fixture
def broker() -> Iterator[tuple[str, "subprocess.Popen[bytes]"]]:
    process = subprocess.Popen(
        [sys.executable, "-c", BROKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    yield process.stdout.readline().decode().strip(), process
    process.kill()
    process.wait()


def in_topic(address: str, count: int) -> list[Any]:
    consumer = kafka.Consumer({"bootstrap.servers": address, "group.id": "t", "log_level": 0,
                               "auto.offset.reset": "earliest"})  # fmt: skip
    consumer.assign([kafka.TopicPartition("out", n, 0) for n in range(4)])
    found: list[Any] = []
    for _ in range(40):
        found += [one for one in consumer.consume(100, 0.5) if one.error() is None]
        if len(found) >= count:
            break
    consumer.close()
    return found


def test_kafka_keeps_all_with_id_and_key_and_one_uid_in_order(
    configured: Configured, broker: tuple[str, "subprocess.Popen[bytes]"]
) -> None:
    address, _ = broker
    (output,) = configured(
        f'[outputs.bus]\nkind = "kafka"\nbrokers = ["{address}"]\ntopic = "out"\n'
    )
    made = kafka.Producer({"bootstrap.servers": address, "log_level": 0})
    made.list_topics("out", timeout=10)  # the broker of the tests makes topics that are asked for
    sender = sender_of(output)
    messages = [message(n, uid=f"uid-{n % 5}") for n in range(40)]
    assert list(sender.send(messages)) == []
    found = in_topic(address, 40)
    assert {dict(one.headers())["id"] for one in found} == {one.id.encode() for one in messages}
    for uid in {one.uid for one in messages}:
        mine = [dict(one.headers())["id"].decode() for one in found if one.key() == uid.encode()]
        assert mine == [one.id for one in messages if one.uid == uid]
    refused = sender.send([message(41, data=b"x" * (5 << 20)), message(42)])
    assert [one.message.id for one in refused] == ["id-41"]
    sender.close()


def test_kafka_that_is_not_there_is_told_of(
    configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hauberk.reports.outputs import kafka as kind  # noqa: PLC0415  # it needs the extra

    monkeypatch.setattr(kind, "SECONDS", 1.0)
    (output,) = configured(
        '[outputs.bus]\nkind = "kafka"\nbrokers = ["127.0.0.1:1"]\ntopic = "out"\n'
    )
    sender = sender_of(output)
    with pytest.raises(NotSentError):
        sender.send([message(1)])
    sender.close()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('kind = "nats"\nservers = []\nsubject = "a"', "servers"),
        ('kind = "nats"\nservers = ["nats://h:4222"]\nsubject = "a.>"', "wildcards"),
        ('kind = "nats"\nservers = ["nats://h:4222"]\nsubject = "a"\ntoken = "t"', "in the clear"),
        ('kind = "kafka"\nbrokers = ["h:9092"]\ntopic = "a b"', "topic"),
        ('kind = "kafka"\nbrokers = ["h"]\ntopic = "a"', "brokers"),
        ('kind = "kafka"\nbrokers = ["h:1"]\ntopic = "a"\nuser = "u"\npassword = "p"\n'
         'mechanism = "PLAIN"', "in the clear"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(
    configured: Configured, text: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        configured(f"[outputs.bus]\n{text}\n")
