"""Kafka's protocol: a consumer group, whose offsets are committed once records are on the device.

Where to go on is the later of two places: where our own spool ends, and where the group has
committed. So a commit that was lost doubles nothing, and a partition that another member has read
meanwhile goes on where that one was. While the spool is full, partitions are paused: membership is
kept, and what the brokers hold meanwhile is the lag.

Source: librdkafka's configuration reference; KIP-516 (topic ids).
"""

import asyncio
import functools
import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from hauberk.errors import HauberkError, UnreachableError

from .bus_settings import Kafka, secret
from .counting import Received
from .intake import Intake, Taken
from .sources_file import Source
from .spool import Spool

CONNECT_SECONDS = 10.0
IDS_SECONDS = 3.0
POLL_SECONDS = 0.2
LOOK_SECONDS = 1.0
FETCHED_KILOBYTES = 32 << 10
"""What is fetched ahead of all partitions together."""

_Partition = tuple[str, int]


class KafkaBus:
    """Reads one source's topics as a member of its group."""

    def __init__(self, source: Source, spool: Spool, counted: Received, intake: Intake) -> None:
        if not isinstance(source.bus, Kafka):
            raise TypeError(f"{source.name} is no Kafka source")
        self._settings = source.bus
        self._spool = spool
        self._counted = counted
        self._intake = intake
        self._ids: dict[str, str] = {}
        self._logs: dict[_Partition, str] = {}
        self._next: dict[_Partition, int] = {}
        self._paused = False

    async def run(self, stop: asyncio.Event) -> None:
        """Read until stopped. Raises HauberkError where there is no going on for now."""
        fault: list[str] = []
        options = _options(self._settings) | {
            "group.id": self._settings.group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "error",
            "enable.partition.eof": False,
            "queued.max.messages.kbytes": FETCHED_KILOBYTES,
            "partition.assignment.strategy": "range,roundrobin",
            "error_cb": lambda error: fault.append(error.str()),
        }
        consumer = await asyncio.to_thread(self._joined, options)
        self._logs.clear()
        self._next.clear()
        self._paused = False
        try:
            await self._read(consumer, stop, fault)
            self._counted.fault = ""
        except KafkaException as error:
            raise _refused(self._settings, error) from error
        finally:
            await asyncio.to_thread(consumer.close)

    def _joined(self, options: dict[str, Any]) -> Consumer:
        try:
            self._ids = _topic_ids(self._settings)
            consumer = Consumer(options)
            consumer.subscribe(
                list(self._settings.topics), on_assign=self._assigned, on_revoke=self._revoked
            )
        except (KafkaException, ValueError) as error:
            raise _refused(self._settings, error) from error
        return consumer

    async def _read(self, consumer: Consumer, stop: asyncio.Event, fault: list[str]) -> None:
        looked = 0.0
        take = functools.partial(consumer.consume, self._settings.in_flight, POLL_SECONDS)
        while not stop.is_set():
            if time.monotonic() - looked >= LOOK_SECONDS:
                looked = time.monotonic()
                self._look(consumer, fault)
            self._hold_back(consumer)
            # One thread at a time uses the consumer; what is fetched ahead waits within it.
            await self._keep(consumer, await asyncio.to_thread(take))

    async def _keep(self, consumer: Consumer, messages: Sequence[Message]) -> None:
        taken, places = [], {}
        for one in messages:
            error = one.error()
            if error is not None:
                await asyncio.to_thread(self._faulted, consumer, one, error)
                continue
            topic, partition, offset = one.topic() or "", one.partition() or 0, one.offset() or 0
            log = self._logs.get((topic, partition))
            if log is None:
                continue  # it was taken away while it was being handed over
            taken.append(Taken(log, offset, topic, one.value() or b""))
            places[topic, partition] = offset
        if not taken:
            return
        await self._intake.keep(taken)
        self._counted.fault = ""
        for place, offset in places.items():
            self._intake.positions.log(self._logs[place]).raise_to(offset)
            self._next[place] = offset + 1
        consumer.commit(
            offsets=[TopicPartition(*place, offset + 1) for place, offset in places.items()],
            asynchronous=True,
        )

    def _hold_back(self, consumer: Consumer) -> None:
        if self._spool.full:
            self._counted.held_back += 1
            consumer.pause(consumer.assignment())
            self._paused = True
        elif self._paused:
            consumer.resume(consumer.assignment())
            self._paused = False

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Go on where our spool ends, or where the group has committed, if that is later."""
        committed = {(one.topic, one.partition): one.offset for one in consumer.committed(
            partitions, timeout=CONNECT_SECONDS
        )}  # fmt: skip
        for one in partitions:
            place = (one.topic, one.partition)
            log = f"{one.topic}~{self._ids.get(one.topic, '')}:{one.partition}"
            begin = max(self._begin(consumer, one, log), committed.get(place, -1))
            self._next[place] = begin
            one.offset = begin
        consumer.assign(partitions)
        if self._spool.full:
            consumer.pause(partitions)
            self._paused = True

    def _begin(self, consumer: Consumer, place: TopicPartition, log: str) -> int:
        """The first offset that our spool has not; what the broker has deleted of that is lost."""
        low, high = _bounds(consumer, place)
        positions = self._intake.positions
        newest = positions.newest(log)
        if positions.log(newest).floor >= high:
            # Its end was lost; or it was made anew, which only an id tells apart.
            is_same = self._ids.get(place.topic) is not None
            newest = positions.anew(log, high - 1 if is_same else low - 1)
        self._logs[place.topic, place.partition] = newest
        kept = positions.log(newest)
        if kept.floor >= 0 and low > kept.floor + 1:
            self._counted.dropped += low - kept.floor - 1
        return max(low, kept.floor + 1)

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Commit for who reads on: all that was handed to us is on the device."""
        done = [
            TopicPartition(one.topic, one.partition, self._next[one.topic, one.partition])
            for one in partitions
            if self._next.get((one.topic, one.partition), 0) > 0
        ]
        try:
            if done:
                consumer.commit(offsets=done, asynchronous=False)
        except KafkaException as error:
            self._counted.fault = error.args[0].str()
        for one in partitions:
            self._logs.pop((one.topic, one.partition), None)
            self._next.pop((one.topic, one.partition), None)

    def _faulted(self, consumer: Consumer, one: Message, error: KafkaError) -> None:
        """Go on past what the broker has deleted; other faults end the session or pass."""
        topic, partition = one.topic(), one.partition()
        if error.code() == KafkaError._AUTO_OFFSET_RESET and topic is not None:
            place = TopicPartition(topic, partition or 0)
            low, _ = _bounds(consumer, place)
            was = self._next.get((topic, place.partition), low)
            self._counted.dropped += max(0, low - was)
            place.offset = low if low > was else OFFSET_BEGINNING
            consumer.seek(place)
            return
        if error.fatal() or not error.retriable():
            raise KafkaException(error)
        self._counted.fault = error.str()

    def _look(self, consumer: Consumer, fault: list[str]) -> None:
        if fault:
            self._counted.fault = f"{self._settings.where}: {fault[-1]}"
            fault.clear()
        lags = []
        for (topic, partition), at in list(self._next.items()):
            found = consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            if found is not None and found[1] >= 0:
                lags.append(max(0, found[1] - at))
        self._counted.lag = sum(lags) if lags else None


async def probe(source: Source) -> str:
    """Reach the brokers, and say what is there; changes nothing. Raises HauberkError."""
    if not isinstance(source.bus, Kafka):
        raise TypeError(f"{source.name} is no Kafka source")
    return await asyncio.to_thread(_probed, source.bus)


def _probed(settings: Kafka) -> str:
    said: list[str] = []
    options = _options(settings) | {
        "group.id": settings.group,
        "error_cb": lambda error: said.append(error.str()),
    }
    try:
        consumer = Consumer(options)
    except (KafkaException, ValueError) as error:
        raise _refused(settings, error) from error
    try:
        waiting = partitions = 0
        for topic in settings.topics:
            found = consumer.list_topics(topic, timeout=CONNECT_SECONDS).topics[topic]
            if found.error is not None:
                raise HauberkError(f"topic {topic}: {found.error.str()}", where=settings.where)
            places = [TopicPartition(topic, one) for one in found.partitions]
            partitions += len(places)
            for one in consumer.committed(places, timeout=CONNECT_SECONDS):
                low, high = _bounds(consumer, one)
                waiting += max(0, high - max(low, one.offset))
    except KafkaException as error:
        consumer.poll(0)  # which says what it has heard of the brokers
        raise _refused(settings, error, said) from error
    finally:
        consumer.close()
    return f"{waiting:,} messages wait in {partitions} partitions for {settings.group}"


def _topic_ids(settings: Kafka) -> dict[str, str]:
    """Ids of topics, by which one that was made anew is told; none of brokers that know none."""
    admin = AdminClient(_options(settings) | {"error_cb": lambda _error: None})
    asked = admin.describe_topics(
        TopicCollection(list(settings.topics)), request_timeout=IDS_SECONDS
    )
    found = {}
    for topic, future in asked.items():
        try:
            identity = str(future.result(timeout=IDS_SECONDS).topic_id)
        except (KafkaException, TimeoutError):
            continue
        if identity.strip("A="):  # all zeros: a broker without ids
            found[topic] = "".join(one for one in identity if one.isalnum())[:16]
    return found


def _bounds(consumer: Consumer, place: TopicPartition) -> tuple[int, int]:
    """The first offset that is there, and the next that will be. Raises KafkaException."""
    found: object = consumer.get_watermark_offsets(place, timeout=CONNECT_SECONDS)
    if not isinstance(found, tuple):
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
    return int(found[0]), int(found[1])


def _options(settings: Kafka) -> dict[str, Any]:  # as librdkafka takes them
    tls, sasl = settings.tls, settings.sasl
    options: dict[str, Any] = {
        "bootstrap.servers": ",".join(settings.brokers),
        "client.id": "hauberk",
        "security.protocol": f"{'sasl_' if sasl else ''}{'ssl' if tls else 'plaintext'}",
        "socket.keepalive.enable": True,
        "allow.auto.create.topics": False,
        "log_level": 0,
    }
    if tls is not None:
        options["ssl.endpoint.identification.algorithm"] = "https"
        files = {"ssl.ca.location": tls.ca, "ssl.certificate.location": tls.certificate,
                 "ssl.key.location": tls.key}  # fmt: skip
        options |= {name: str(path) for name, path in files.items() if path is not None}
    if sasl is not None:
        options |= {"sasl.mechanism": sasl.mechanism, "sasl.username": sasl.user,
                    "sasl.password": secret(sasl.password)}  # fmt: skip
    return options


def _refused(settings: Kafka, error: BaseException, said: Sequence[str] = ()) -> HauberkError:
    first = error.args[0] if error.args else error
    what = first.str() if isinstance(first, KafkaError) else str(first)
    if said:
        what = f"{what} ({said[-1]})"
    return UnreachableError(f"Kafka cannot be read: {what[:300]}", where=settings.where)
