"""NATS: messages of a JetStream stream, each with its id, by which the server drops doubles.

A batch counts as sent once the stream has acknowledged every message of it. Hauberk makes no
streams: one that takes the subject must be there.
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import nats as client
from nats.aio.client import Client
from nats.js.errors import APIError, NoStreamResponseError

from hauberk.store import Table

from .interface import Filter, Message, NotSentError, Refused
from .kinds import Target
from .reaching import Secret, Tls, is_near, read_secret, read_tls

KEYS = ("servers", "subject", "token", "user", "password", "creds", "tls")
FILTER = Filter()

CONNECT_SECONDS = 5
SECONDS = 20.0
BATCH = 256
_SERVER = re.compile(r"(nats|tls)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):(\d{1,5})\Z")
_SUBJECT = re.compile(r"[^\s*>\x00-\x1f\x7f]{1,256}\Z")


@dataclass(frozen=True, slots=True)
class Nats:
    """Servers of one cluster, the subject, and who we are to them."""

    servers: tuple[str, ...]
    subject: str
    tls: Tls | None
    token: Secret | None = None
    login: tuple[str, Secret] | None = None
    creds: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """Its first server, and the subject."""
        return f"{self.servers[0]}/{self.subject}"


def target(table: Table) -> Nats:
    """The settings of a NATS output. Raises UsageError."""
    expected = 'a list of servers such as ["tls://nats.example.org:4222"]'
    servers = table.texts("servers", expected)
    matches = [_SERVER.match(one) for one in servers]
    if not servers or not all(matches):
        raise table.wrong("servers", expected)
    subject = table.text("subject", 'a subject such as "hauberk.findings"')
    if not _SUBJECT.match(subject):
        raise table.wrong("subject", "a subject without wildcards")
    password = read_secret(table, "password", "a password")
    if (password is None) != ("user" not in table):
        raise table.wrong("user" if password else "password", "a user and a password")
    token = read_secret(table, "token", "a token")
    creds = str(table.file_path("creds")) if "creds" in table else None
    secure = "tls" in table or any(one and one[1] == "tls" for one in matches)
    near = all(one and is_near(one[2].strip("[]")) for one in matches)
    if (token or password) and not secure and not near:
        raise table.wrong("tls", "a table: without it, a token or password would go in the clear")
    login = (table.text("user"), password) if password else None
    notes = () if secure or near else ("what is sent goes in the clear",)
    tls = read_tls(table) if secure else None
    return Nats(tuple(servers), subject, tls, token, login, creds, notes)


def sender(target: Target) -> "NatsSender":
    """A sender, not connected yet."""
    assert isinstance(target, Nats)
    return NatsSender(target)


class NatsSender:
    """A connection in an event loop of its own, which runs while something is sent."""

    pause = 0.0
    batch = BATCH

    def __init__(self, settings: Nats) -> None:
        self._settings = settings
        self._prepared()
        self._runner: asyncio.Runner | None = None
        self._client: Client | None = None
        self._ended = asyncio.Event()

    def _prepared(self) -> ssl.SSLContext | None:
        settings = self._settings
        return settings.tls.context(settings.where) if settings.tls else None

    def send(self, messages: Sequence[Message]) -> Sequence[Refused]:
        """Publish them, and wait for the stream's word on each."""
        refused: Sequence[Refused] = self._run(self._publish(messages))
        return refused

    def check(self) -> str:
        """Connect, and ask which stream takes the subject."""
        said: str = self._run(self._probe())
        return said

    def close(self) -> None:
        """End the connection."""
        if self._runner is not None:
            if self._client is not None:
                with contextlib.suppress(client.errors.Error, OSError, TimeoutError):
                    self._runner.run(asyncio.wait_for(self._client.close(), 5))
            self._runner.close()
            self._runner = self._client = None

    def _run(self, work: Any) -> Any:  # a coroutine, and what it gives
        if self._runner is None:
            self._runner = asyncio.Runner()
        try:
            return self._runner.run(work)
        except NoStreamResponseError as error:
            said = f"no stream takes {self._settings.subject}: make one first"
            raise NotSentError(said, where=self._settings.where) from error
        except (client.errors.Error, OSError, TimeoutError, ValueError) as error:
            self.close()
            said = str(error).removeprefix("nats: ").strip() or type(error).__name__
            if isinstance(error, APIError):
                said = error.description or said
            raise NotSentError(said, where=self._settings.where) from error

    async def _publish(self, messages: Sequence[Message]) -> Sequence[Refused]:
        connected = await self._connected()
        context = connected.jetstream(timeout=SECONDS)
        most = connected.max_payload - 1024
        refused = [
            Refused(one, f"{len(one.data)} bytes; the server takes {most}")
            for one in messages
            if len(one.data) > most
        ]
        fits = [one for one in messages if len(one.data) <= most]
        # In order: each is on its way before the next one, and all are waited for together.
        waiting = [
            asyncio.ensure_future(
                context.publish(
                    self._settings.subject, one.data, timeout=SECONDS,
                    headers={"Nats-Msg-Id": one.id, "Hauberk-Uid": one.uid},
                )
            )
            for one in fits
        ]  # fmt: skip
        ended = asyncio.ensure_future(self._ended.wait())
        everything = asyncio.ensure_future(asyncio.gather(*waiting, return_exceptions=True))
        await asyncio.wait((ended, everything), return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not everything.done():
            for one in waiting:
                one.cancel()
            await everything
            raise ConnectionResetError("the connection was lost")
        for result in everything.result():
            if isinstance(result, BaseException):
                raise result
        return refused

    async def _probe(self) -> str:
        connected = await self._connected()
        found = await connected.jetstream(timeout=SECONDS).find_stream_name_by_subject(
            self._settings.subject
        )
        return f"the stream {found} takes {self._settings.subject}"

    async def _connected(self) -> Client:
        if self._client is not None and self._client.is_connected:
            return self._client
        settings = self._settings
        options: dict[str, Any] = {}  # as `connect` takes them
        if settings.token is not None:
            options["token"] = settings.token()
        if settings.login is not None:
            options["user"], options["password"] = settings.login[0], settings.login[1]()
        if settings.creds is not None:
            options["user_credentials"] = settings.creds
        context = self._prepared()
        if context is not None:
            options["tls"] = context
        faults: list[Exception] = []

        async def failed(error: Exception) -> None:
            faults.append(error)

        ended = self._ended = asyncio.Event()

        async def lost() -> None:
            ended.set()

        try:
            self._client = await client.connect(
                list(settings.servers), error_cb=failed, disconnected_cb=lost, closed_cb=lost,
                allow_reconnect=False, name="hauberk", connect_timeout=CONNECT_SECONDS,
                max_reconnect_attempts=1, reconnect_time_wait=0,
                **options,
            )  # fmt: skip
        except (client.errors.Error, OSError, TimeoutError) as error:
            raise (faults[-1] if faults else error) from None
        return self._client
