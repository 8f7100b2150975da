"""Kafka's protocol: an idempotent producer; a batch is sent once all brokers in sync have it.

The key of a message is the uid of its finding or incident, so that all that is said of one stays in
order in one partition; its id is the header `id`.
Source: librdkafka's configuration reference.
"""

import contextlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from hauberk.store import Table

from .interface import Filter, Message, NotSentError, Refused
from .kinds import Target
from .reaching import Secret, Tls, is_near, read_secret, read_tls

KEYS = ("brokers", "topic", "mechanism", "user", "password", "tls")
FILTER = Filter()

SECONDS = 30.0
BATCH = 500
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_BROKER = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})\Z")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}\Z")
_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD})


@dataclass(frozen=True, slots=True)
class Kafka:
    """Brokers of one cluster, the topic, and who we are to them."""

    brokers: tuple[str, ...]
    topic: str
    tls: Tls | None
    mechanism: str = ""
    user: str = ""
    password: Secret | None = None
    notes: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """Its first broker, and the topic."""
        return f"kafka://{self.brokers[0]}/{self.topic}"


def target(table: Table) -> Kafka:
    """The settings of a Kafka output. Raises UsageError."""
    expected = 'a list of brokers such as ["kafka1.example.org:9093"]'
    brokers = table.texts("brokers", expected)
    matches = [_BROKER.match(one) for one in brokers]
    if not brokers or not all(matches):
        raise table.wrong("brokers", expected)
    topic = table.text("topic", "a topic by its name")
    if not _TOPIC.match(topic):
        raise table.wrong("topic", "a topic by its name: letters, digits, . _ and -")
    password = read_secret(table, "password", "a password")
    if (password is None) != ("user" not in table):
        raise table.wrong("user" if password else "password", "a user and a password")
    mechanism = table.text("mechanism", default="SCRAM-SHA-512")
    if mechanism not in MECHANISMS:
        raise table.wrong("mechanism", f"one of {', '.join(MECHANISMS)}")
    near = all(one and is_near(one[1].strip("[]")) for one in matches)
    tls = read_tls(table) if "tls" in table else None
    if password and mechanism == "PLAIN" and tls is None and not near:
        raise table.wrong("tls", "a table: without it, the password would go in the clear")
    return Kafka(
        tuple(brokers), topic, tls, mechanism if password else "",
        table.text("user") if password else "", password,
        () if tls or near else ("what is sent goes in the clear",),
    )  # fmt: skip


def sender(target: Target) -> "KafkaSender":
    """A sender, not connected yet."""
    assert isinstance(target, Kafka)
    return KafkaSender(target)


class KafkaSender:
    """A producer that is waited for after each batch."""

    pause = 0.0
    batch = BATCH

    def __init__(self, settings: Kafka) -> None:
        self._settings = settings
        self._producer: Producer | None = None
        self._said: list[str] = []

    def send(self, messages: Sequence[Message]) -> Sequence[Refused]:
        """Produce them in order, and wait for the brokers' word on each."""
        producer = self._connected()
        refused: list[Refused] = []
        faults: list[KafkaError] = []

        try:
            for one in messages:
                heard = _heard(one, refused, faults)
                try:
                    producer.produce(
                        self._settings.topic, one.data, one.uid.encode(), on_delivery=heard,
                        headers={"id": one.id.encode()}, timestamp=int(one.time.timestamp() * 1000),
                    )  # fmt: skip
                except KafkaException as error:
                    heard(error.args[0], None)
            left = producer.flush(SECONDS + 5)
        except (KafkaException, BufferError) as error:
            raise self._failed(error) from error
        if left or faults:
            # The producer still holds what was not sent; another one is made, and sends it anew.
            raise self._failed(KafkaException(faults[0]) if faults else TimeoutError("no answer"))
        return refused

    def check(self) -> str:
        """Ask the brokers for the topic."""
        try:
            found = self._connected().list_topics(self._settings.topic, timeout=10)
        except KafkaException as error:
            raise self._failed(error) from error
        topic = found.topics[self._settings.topic]
        if topic.error is not None:
            raise NotSentError(topic.error.str(), where=self._settings.where)
        return f"{self._settings.topic} has {len(topic.partitions)} partitions"

    def close(self) -> None:
        """Let go of the producer, and of what it still holds: the cursor has not moved over it."""
        if self._producer is not None:
            with contextlib.suppress(KafkaException):
                self._producer.purge()
                self._producer.flush(1)
            self._producer = None

    def _connected(self) -> Producer:
        if self._producer is None:
            self._said.clear()
            try:
                self._producer = Producer(_options(self._settings) | {"error_cb": self._heard})
            except (KafkaException, ValueError) as error:
                raise self._failed(error) from error
        return self._producer

    def _heard(self, error: KafkaError) -> None:
        self._said.append(error.str())
        del self._said[:-1]

    def _failed(self, error: BaseException) -> NotSentError:
        first = error.args[0] if error.args else error
        said = first.str() if isinstance(first, KafkaError) else str(first)
        if self._said:
            said = f"{said} ({self._said[-1]})"
        self.close()
        return NotSentError(said, where=self._settings.where)


def _heard(
    message: Message, refused: list[Refused], faults: list[KafkaError]
) -> Callable[[KafkaError | None, object], None]:
    """What becomes of a message, once it is known."""

    def heard(error: KafkaError | None, _delivered: object) -> None:
        if error is None:
            return
        if error.code() in _TOO_LARGE:
            refused.append(Refused(message, error.str()))
        else:
            faults.append(error)

    return heard


def _options(settings: Kafka) -> dict[str, Any]:  # as librdkafka takes them
    tls = settings.tls
    protocol = f"{'sasl_' if settings.password else ''}{'ssl' if tls else 'plaintext'}"
    options: dict[str, Any] = {
        "bootstrap.servers": ",".join(settings.brokers), "client.id": "hauberk",
        "security.protocol": protocol, "enable.idempotence": True, "acks": "all",
        "message.timeout.ms": int(SECONDS * 1000), "linger.ms": 5, "compression.type": "zstd",
        "message.max.bytes": 4 << 20, "allow.auto.create.topics": False, "log_level": 0,
        "socket.keepalive.enable": True,
    }  # fmt: skip
    if tls is not None:
        options["ssl.endpoint.identification.algorithm"] = "https"
        files = {"ssl.ca.location": tls.ca, "ssl.certificate.location": tls.certificate,
                 "ssl.key.location": tls.key}  # fmt: skip
        options |= {name: str(path) for name, path in files.items() if path is not None}
    if settings.password is not None:
        options |= {"sasl.mechanism": settings.mechanism, "sasl.username": settings.user,
                    "sasl.password": settings.password()}  # fmt: skip
    return options
