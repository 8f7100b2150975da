"""Kafka's protocol against a broker in another process: every record once, whoever is killed."""

import asyncio
import random
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.ingest.receivers.kept import event, kept, lines, until

from hauberk.errors import HauberkError
from hauberk.ingest.receivers import Receiving, probe, read_sources
from hauberk.ingest.receivers import spool as spools

kafka = pytest.importorskip("confluent_kafka")
from hauberk.ingest.receivers import kafka_bus  # noqa: E402  # it needs the extra

SOURCE = """
[[source]]
name = "bus"
kind = "kafka"
brokers = ["{broker}"]
topics = ["events"]
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_bus, "IDS_SECONDS", 0.3)  # the broker of the tests has none


def sources_file(folder: Path, broker: str, more: str = "") -> Path:
    path = folder / "sources.toml"
    path.write_text(SOURCE.format(broker=broker) + more)
    return path


def produce(broker: str, payloads: list[bytes], topic: str = "events") -> None:
    producer = kafka.Producer({"bootstrap.servers": broker, "log_level": 0})
    for one in payloads:
        # Without a key all that comes at once would go to one partition.
        producer.produce(topic, one, key=one)
    assert producer.flush(20) == 0


def committed(broker: str, group: str = "hauberk-bus") -> int:
    consumer = kafka.Consumer({"bootstrap.servers": broker, "group.id": group, "log_level": 0})
    try:
        places = [kafka.TopicPartition("events", one) for one in range(4)]
        return sum(max(0, one.offset) for one in consumer.committed(places, timeout=10))
    finally:
        consumer.close()


def test_every_record_arrives_once_and_in_the_order_of_its_partition(
    tmp_path: Path, kafka_broker: str
) -> None:
    sent = [event(number) for number in range(5_000)]
    produce(kafka_broker, sent)
    with Receiving(read_sources(sources_file(tmp_path, kafka_broker)), tmp_path) as receiving:
        until(lambda: receiving.counted["bus"].records == len(sent))
        until(lambda: receiving.counted["bus"].lag == 0)
    assert sorted(kept(tmp_path)) == sorted(sent)
    assert committed(kafka_broker) == len(sent)
    offsets: dict[str, list[int]] = {}
    for where, _ in lines(tmp_path):
        _, log, offset, _ = where.split("/")
        offsets.setdefault(log, []).append(int(offset))
    assert len(offsets) > 1
    for found in offsets.values():
        assert found == list(range(len(found)))


def test_what_is_there_already_is_not_kept_again_when_the_group_forgets(
    tmp_path: Path, kafka_broker: str
) -> None:
    produce(kafka_broker, [event(number) for number in range(300)])
    path = sources_file(tmp_path, kafka_broker)
    with Receiving(read_sources(path), tmp_path) as receiving:
        until(lambda: receiving.counted["bus"].records == 300)
    path = sources_file(tmp_path, kafka_broker, 'group = "another"')
    # The files may be gone by then: what they said must have been kept.
    for one in (tmp_path / "spool" / "bus").glob("*.log"):
        one.rename(tmp_path / one.name)
    produce(kafka_broker, [event(number) for number in range(300, 310)])
    with Receiving(read_sources(path), tmp_path) as receiving:
        until(lambda: receiving.counted["bus"].records == 10)
        until(lambda: receiving.counted["bus"].lag == 0)
    assert sorted(kept(tmp_path)) == [event(number) for number in range(300, 310)]
    assert committed(kafka_broker, "another") == 310


def test_while_there_is_no_room_partitions_are_paused_and_nothing_is_lost(
    tmp_path: Path, kafka_broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True
    monkeypatch.setattr(spools.Spool, "full", property(lambda _self: full))
    sent = [event(number) for number in range(2_000)]
    produce(kafka_broker, sent)
    with Receiving(read_sources(sources_file(tmp_path, kafka_broker)), tmp_path) as receiving:
        counted = receiving.counted["bus"]
        until(lambda: counted.held_back > 20)
        assert counted.records == 0
        full = False
        until(lambda: counted.records == len(sent))
    assert sorted(kept(tmp_path)) == sorted(sent)


def test_two_members_of_a_group_share_its_partitions_and_each_record_is_read_once(
    tmp_path: Path, kafka_broker: str
) -> None:
    path = sources_file(tmp_path, kafka_broker)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    sent = [event(number) for number in range(3_000)]
    produce(kafka_broker, sent[:1000])
    with Receiving(read_sources(path), first) as one:
        until(lambda: one.counted["bus"].records == 1000)
        with Receiving(read_sources(path), second) as other:
            for at in range(1000, 2000, 50):
                produce(kafka_broker, sent[at : at + 50])
            until(lambda: one.counted["bus"].records + other.counted["bus"].records == 2000)
        produce(kafka_broker, sent[2000:])
        until(lambda: one.counted["bus"].records + other.counted["bus"].records == 3000)
    assert sorted([*kept(first), *kept(second)]) == sorted(sent)


def test_a_broker_that_is_not_there_is_told_of(tmp_path: Path) -> None:
    path = sources_file(tmp_path, "127.0.0.1:1")
    with Receiving(read_sources(path), tmp_path) as receiving:
        until(lambda: "refused" in receiving.counted["bus"].fault)


def test_a_connection_can_be_tried(
    tmp_path: Path, kafka_broker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kafka_bus, "CONNECT_SECONDS", 2.0)
    produce(kafka_broker, [b"x"] * 7)
    (source,) = read_sources(sources_file(tmp_path, kafka_broker)).sources
    assert asyncio.run(probe(source)) == "7 messages wait in 4 partitions for hauberk-bus"
    (source,) = read_sources(sources_file(tmp_path, "127.0.0.1:1")).sources
    with pytest.raises(HauberkError, match="refused"):
        asyncio.run(probe(source))


@pytest.mark.slow
def test_a_receiver_that_is_killed_at_any_moment_keeps_every_record_once(
    tmp_path: Path, kafka_broker: str,
    receiver: Callable[..., "subprocess.Popen[bytes]"],
) -> None:  # fmt: skip
    chance = random.Random(7)
    path = sources_file(tmp_path, kafka_broker)
    sent = [event(number) for number in range(24_000)]

    def send() -> None:
        for at in range(0, len(sent), 500):
            produce(kafka_broker, sent[at : at + 500])
            time.sleep(0.15)

    sending = threading.Thread(target=send)
    sending.start()
    kills = 0
    # Members that were killed stay in the group for a while; each of ours reads in its own.
    while sending.is_alive() or kills < 3:
        process = receiver(path, tmp_path, "0.3")
        time.sleep(chance.uniform(3.2, 4.5))
        process.kill()
        process.wait()
        kills += 1
        path = sources_file(tmp_path, kafka_broker, f'group = "g{kills}"')
    sending.join()
    with Receiving(read_sources(path), tmp_path) as receiving:
        until(lambda: receiving.counted["bus"].lag == 0, 60)
    assert Counter(kept(tmp_path)) == Counter(sent)
