"""NATS JetStream: a durable pull consumer, acknowledged once a message is on the device.

A message that is delivered again, because its acknowledgement was lost or we were killed before we
sent it, is told by its place in the stream and acknowledged without being kept again. While the
spool is full, nothing is asked for; what the stream holds meanwhile is the lag.

Source: the NATS client protocol; JetStream's wire API (ADR-13, pull requests).
"""

import asyncio
import hashlib
import json
import ssl
from collections.abc import Callable
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, ConsumerInfo, StreamInfo
from nats.js.client import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from hauberk.errors import HauberkError, UnreachableError

from .bus_settings import BusTls, Nats, secret
from .counting import Received
from .intake import Intake, Taken
from .positions import Log
from .sources_file import Source
from .spool import Spool

KIND = "nats"
CONNECT_SECONDS = 5.0
REQUEST_SECONDS = 5.0
"""How long one request for messages stands."""

REQUEST_BYTES = 32 << 20
"""Bytes of messages that one request asks for."""

LOOK_SECONDS = 1.0
ACK_SECONDS = 30.0
"""After which a message that was given out and not acknowledged is given out again."""

WAIT_SECONDS = 0.05
MAX_ABOVE = 1_000_000
"""Messages kept above the stream's floor before we wait for that floor to rise."""

_ACK = b"+ACK"
_OVER = frozenset({"404", "408", "409"})


class NatsBus:
    """Reads one source from its stream; `run` ends where the connection does."""

    def __init__(self, source: Source, spool: Spool, counted: Received, intake: Intake) -> None:
        if not isinstance(source.bus, Nats):
            raise TypeError(f"{source.name} is no NATS source")
        self._settings = source.bus
        self._spool = spool
        self._counted = counted
        self._intake = intake

    async def run(self, stop: asyncio.Event) -> None:
        """Read until stopped. Raises HauberkError where there is no going on for now."""
        closed = asyncio.Event()
        client = await connected(self._settings, closed)
        try:
            context = client.jetstream(timeout=CONNECT_SECONDS)
            stream = await _stream(context, self._settings)
            consumer = await _consumer(context, self._settings)
            session = _Session(client, context, self._settings, self._log_of(stream, consumer))
            await session.begin()
            await self._read(session, stop, closed)
            self._counted.fault = ""
        except (nats.errors.Error, TimeoutError) as error:
            raise _refused(self._settings, error) from error
        finally:
            await _closed(client)

    def _log_of(self, stream: StreamInfo, consumer: ConsumerInfo) -> str:
        """The name of the stream in positions: one that is made anew is another one.

        A server that lost the end of its stream counts on from where it is; what we kept beyond is
        forgotten, or else its new messages would be taken for the old ones.
        """
        made = stream.created.isoformat() if stream.created else ""
        name = f"{self._settings.stream}~{hashlib.sha256(made.encode()).hexdigest()[:8]}"
        positions = self._intake.positions
        name = positions.newest(name)
        log, last = positions.log(name), stream.state.last_seq
        if log.floor > last or any(at > last for at in log.above):
            name = positions.anew(name.partition(".")[0], last)
            log = positions.log(name)
        _raise_floor(log, consumer)
        return name

    async def _read(self, session: "_Session", stop: asyncio.Event, closed: asyncio.Event) -> None:
        log = self._intake.positions.log(session.log)
        looked = 0.0
        now = asyncio.get_running_loop().time
        while not stop.is_set():
            if closed.is_set():
                raise UnreachableError("the connection was lost", where=self._settings.where)
            if now() - looked >= LOOK_SECONDS:
                looked = now()
                self._look(log, await session.look())
            full = self._spool.full or len(log.above) >= MAX_ABOVE
            if full:
                self._counted.held_back += 1
            messages = await session.some(ask=not full)
            await self._keep(session, messages)
        await self._keep(session, await session.some(ask=False))

    async def _keep(self, session: "_Session", messages: list[Msg]) -> None:
        if messages:
            await self._intake.keep([_taken(session.log, one) for one in messages])
        for one in messages:
            await session.acknowledge(one)

    def _look(self, log: Log, consumer: ConsumerInfo) -> None:
        _raise_floor(log, consumer)
        self._counted.lag = (consumer.num_pending or 0) + (consumer.num_ack_pending or 0)
        self._counted.fault = ""


class _Session:
    """One connection's requests and what came of them."""

    def __init__(self, client: Client, context: JetStreamContext, settings: Nats, log: str) -> None:
        self.log = log
        self._client = client
        self._context = context
        self._settings = settings
        self._inbox = client.new_inbox()
        self._came: asyncio.Queue[Msg] = asyncio.Queue()
        self._due = 0  # messages that the standing request may still bring
        self._until = 0.0

    async def begin(self) -> None:
        """Be ready for what is asked for."""

        async def came(message: Msg) -> None:
            self._came.put_nowait(message)

        await self._client.subscribe(self._inbox, cb=came)

    async def look(self) -> ConsumerInfo:
        """What the server says of the consumer. Raises what the client raises."""
        info: ConsumerInfo = await self._context.consumer_info(
            self._settings.stream, self._settings.durable
        )
        return info

    async def some(self, *, ask: bool) -> list[Msg]:
        """What has come, after a short wait where nothing has; asks for more where it may."""
        now = asyncio.get_running_loop().time()
        if ask and (self._due <= 0 or now >= self._until) and self._came.empty():
            await self._ask(now)
        found: list[Msg] = []
        try:
            async with asyncio.timeout(WAIT_SECONDS * 4):
                self._take(await self._came.get(), found)
        except TimeoutError:
            return found
        while not self._came.empty():
            self._take(self._came.get_nowait(), found)
        return found

    async def acknowledge(self, message: Msg) -> None:
        """Say that a message is kept. What is lost of this is only said again."""
        await self._client.publish(message.reply, _ACK)

    async def _ask(self, now: float) -> None:
        request = {
            "batch": self._settings.in_flight,
            "expires": int(REQUEST_SECONDS * 1e9),
            "max_bytes": REQUEST_BYTES,
        }
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._settings.stream}.{self._settings.durable}"
        await self._client.publish(subject, json.dumps(request).encode(), self._inbox)
        self._due, self._until = self._settings.in_flight, now + REQUEST_SECONDS + 1.0

    def _take(self, message: Msg, found: list[Msg]) -> None:
        if message.reply:
            found.append(message)
            self._due -= 1
            return
        # No reply is expected: the server says how the request stands.
        status = (message.headers or {}).get("Status", "404")
        if status in _OVER:
            said = (message.headers or {}).get("Description", "")
            self._due = 0
            if status == "409" and "Deleted" in said:
                raise HauberkError(f"its consumer is gone: {said}", where=self._settings.where)
        elif status == "503":
            raise UnreachableError("the stream does not answer", where=self._settings.where)


async def connected(settings: Nats, closed: asyncio.Event | None = None) -> Client:
    """A connection that is not mended when it ends: `closed` says so. Raises HauberkError."""
    faults: list[Exception] = []

    async def failed(error: Exception) -> None:
        faults.append(error)

    async def ended() -> None:
        if closed is not None:
            closed.set()

    options = _options(settings)
    try:
        return await nats.connect(
            list(settings.servers), error_cb=failed, closed_cb=ended, disconnected_cb=ended,
            allow_reconnect=False, connect_timeout=int(CONNECT_SECONDS), name="hauberk",
            max_reconnect_attempts=1, reconnect_time_wait=0, ping_interval=10,
            max_outstanding_pings=2, **options,
        )  # fmt: skip
    except (nats.errors.Error, OSError, TimeoutError, ValueError) as error:
        raise _refused(settings, faults[-1] if faults else error) from error


async def probe(settings: Nats) -> str:
    """Connect, and say what is there; changes nothing. Raises HauberkError."""
    client = await connected(settings)
    try:
        context = client.jetstream(timeout=CONNECT_SECONDS)
        stream = await _stream(context, settings)
        try:
            info = await context.consumer_info(settings.stream, settings.durable)
        except NotFoundError:
            return f"{stream.state.messages:,} messages, and no consumer {settings.durable} yet"
        _check_consumer(settings, info)
        return f"{info.num_pending or 0:,} messages wait for {settings.durable}"
    except (nats.errors.Error, TimeoutError) as error:
        raise _refused(settings, error) from error
    finally:
        await _closed(client)


async def _stream(context: JetStreamContext, settings: Nats) -> StreamInfo:
    try:
        return await context.stream_info(settings.stream)
    except NotFoundError as error:
        raise HauberkError(
            f"there is no stream {settings.stream}", where=settings.where,
            hint="Make it first: Hauberk makes no streams",
        ) from error  # fmt: skip


async def _consumer(context: JetStreamContext, settings: Nats) -> ConsumerInfo:
    info: ConsumerInfo
    try:
        info = await context.consumer_info(settings.stream, settings.durable)
    except NotFoundError:
        config = ConsumerConfig(
            durable_name=settings.durable, ack_policy=AckPolicy.EXPLICIT, ack_wait=ACK_SECONDS,
            max_ack_pending=settings.in_flight, filter_subject=settings.subject,
            description="Hauberk",
        )  # fmt: skip
        info = await context.add_consumer(settings.stream, config)
    _check_consumer(settings, info)
    return info


def _check_consumer(settings: Nats, info: ConsumerInfo) -> None:
    config = info.config
    wrong = [
        said
        for said, true in (
            ("it is pushed to", config.deliver_subject),
            ("it does not ask for explicit acknowledgement",
             config.ack_policy != AckPolicy.EXPLICIT),
            (f"it reads {config.filter_subject or 'all subjects'}",
             settings.subject and config.filter_subject != settings.subject),
            ("it gives up messages (max_deliver)", (config.max_deliver or -1) > 0),
        ) if true
    ]  # fmt: skip
    if wrong:
        raise HauberkError(
            f"the consumer {settings.durable} is another's: {'; '.join(wrong)}",
            where=settings.where, hint="Name another durable, or delete that consumer",
        )  # fmt: skip


def _raise_floor(log: Log, consumer: ConsumerInfo) -> None:
    """All that is acknowledged is kept: it was on the device before we said so."""
    if consumer.ack_floor is not None:
        log.raise_to(consumer.ack_floor.stream_seq)


def _taken(log: str, message: Msg) -> Taken:
    return Taken(log, message.metadata.sequence.stream, message.subject, message.data)


def _options(settings: Nats) -> dict[str, Any]:  # as `nats.connect` takes them
    options: dict[str, Any] = {}
    login = settings.login
    if login.creds is not None:
        options["user_credentials"] = str(login.creds)
    elif login.nkey is not None:
        options["nkeys_seed_str"] = secret(login.nkey)
    elif login.token is not None:
        options["token"] = secret(login.token)
    elif login.user is not None and login.password is not None:
        options["user"], options["password"] = login.user, secret(login.password)
    if settings.tls is not None:
        options["tls"] = client_context(settings.tls, settings.where)
    return options


def client_context(tls: BusTls, where: str) -> ssl.SSLContext:
    """TLS 1.2 or later; the server's certificate and name are checked. Raises HauberkError."""
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (ssl.SSLError, OSError) as error:
        said = getattr(error, "reason", None) or error.strerror or str(error)
        raise HauberkError(f"its ca, certificate or key cannot be used: {said}", where=where,
                           hint="Expected PEM files; the key without a passphrase"
                           ) from error  # fmt: skip
    return context


def _refused(settings: Nats, error: BaseException) -> HauberkError:
    said = str(error).removeprefix("nats: ").strip() or type(error).__name__
    if isinstance(error, APIError):
        said = error.description or said
    return UnreachableError(f"NATS cannot be read: {said[:300]}", where=settings.where)


async def _closed(client: Client) -> None:
    """End a connection after what was published has gone out."""
    end: Callable[[], Any] = client.close
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            if client.is_connected:
                await client.flush()
            await end()
    except (nats.errors.Error, OSError, TimeoutError):
        return
