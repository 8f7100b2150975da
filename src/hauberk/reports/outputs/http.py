"""HTTP: bodies of several messages, to Splunk, Elasticsearch, or whoever takes JSON.

No redirect is followed: a receiver cannot send our secrets, or what we tell, elsewhere. Certificate
and name are always checked. What answers mean is the preset's to say.
"""

import base64
import gzip
import http.client
import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from hauberk import __version__
from hauberk.errors import UsageError
from hauberk.store import Table

from .http_presets import PRESETS, Answer, Preset
from .interface import Filter, Message, NotSentError, Refused
from .kinds import Target
from .reaching import SECONDS, Secret, Tls, is_near, read_secret, read_tls

KEYS = ("url", "preset", "token", "user", "password", "headers", "compress", "index", "batch",
        "tls")  # fmt: skip
FILTER = Filter()

MAX_ANSWER = 16 << 20
"""Bytes of an answer that are read; a longer one is a fault."""

_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")  # a token of RFC 9110
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?\Z")
_OWN = frozenset({"host", "content-length", "content-type", "content-encoding",
                  "transfer-encoding", "connection", "authorization"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Http:
    """Where to, how, and as whom."""

    secure: bool
    host: str
    port: int
    path: str = field(repr=False)  # its query may hold a secret
    preset: Preset
    tls: Tls
    token: Secret | None = None
    login: tuple[str, Secret] | None = None
    headers: tuple[tuple[str, Secret], ...] = ()
    compress: bool = True
    index: str = ""
    batch: int = 200

    @property
    def where(self) -> str:
        """Without the query, in which there may be a secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        path = self.path.partition("?")[0]
        return f"http{'s' * self.secure}://{host}:{self.port}{path}"

    @property
    def notes(self) -> tuple[str, ...]:
        """Whether others can read along."""
        return () if self.secure or is_near(self.host) else ("what is sent goes in the clear",)


def target(table: Table) -> Http:
    """The settings of an HTTP output. Raises UsageError."""
    expected = 'a URL such as "https://siem.example.org:8088/services/collector/event"'
    url = table.text("url", expected)
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise table.wrong("url", expected) from None
    plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in ("http", "https") or not parts.hostname or not plain or parts.fragment:
        raise table.wrong("url", expected)
    if parts.username is not None:
        raise table.wrong("user", "user and password as keys of their own, not within the URL")
    name = table.text("preset", default="json")
    if name not in PRESETS:
        raise table.wrong("preset", f"one of {', '.join(PRESETS)}")
    preset = PRESETS[name]
    secure = parts.scheme == "https"
    token = read_secret(table, "token", "a token")
    login = _login(table)
    headers = _headers(table.table("headers"))
    if (token or login or headers) and not secure and not is_near(parts.hostname):
        raise table.wrong("url", "https: without it, a secret would go in the clear")
    if token and login:
        raise table.wrong("token", "one of token, or user and password")
    index = table.text("index") if "index" in table else ""
    if index and not preset.takes_index:
        raise table.wrong("index", f"no index: the preset {name} knows none")
    return Http(
        secure, parts.hostname, port or (443 if secure else 80),
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), preset, read_tls(table),
        token, login, headers, table.flag("compress", default=True), index,
        table.whole("batch", 200, least=1, most=5000),
    )  # fmt: skip


def _login(table: Table) -> tuple[str, Secret] | None:
    password = read_secret(table, "password", "a password")
    if (password is None) != ("user" not in table):
        raise table.wrong("user" if password else "password", "a user and a password")
    return None if password is None else (table.text("user"), password)


def _headers(table: Table) -> tuple[tuple[str, Secret], ...]:
    found = []
    for name in table.values:
        if not _NAME.match(name) or name.lower() in _OWN:
            raise table.wrong(name, "another name of a header")
        secret = read_secret(table, name, "the value of a header")
        assert secret is not None
        found.append((name, secret))
    return tuple(found)


def sender(target: Target) -> "HttpSender":
    """A sender, not connected yet."""
    assert isinstance(target, Http)
    return HttpSender(target)


class HttpSender:
    """One connection, kept open, and made anew after any fault."""

    pause = 0.0

    def __init__(self, settings: Http) -> None:
        self.batch = settings.batch
        self._settings = settings
        self._connection: http.client.HTTPConnection | None = None
        self._prepare()

    def _prepare(self) -> None:
        """Read certificates and secrets. Raises UsageError."""
        settings = self._settings
        self._context = settings.tls.context(settings.where) if settings.secure else None
        self._headers = self._make_headers()

    def send(self, messages: Sequence[Message]) -> Sequence[Refused]:
        """Post them in one body."""
        preset = self._settings.preset
        body = preset.body(messages, self._settings.index)
        answer = self._ask("POST", body)
        return preset.judge(answer, messages, self._settings.where)

    def check(self) -> str:
        """Connect, and ask for what is at the URL: any answer will do but that we are nobody."""
        answer = self._ask("GET", None)
        if answer.status in (401, 403):
            raise NotSentError(answer.told, where=self._settings.where)
        return f"it answers ({answer.status}); `test` says whether it takes what is sent"

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, method: str, body: bytes | None) -> Answer:
        if self._connection is None:
            self._prepare()
        headers = dict(self._headers)
        if body is not None and self._settings.compress:
            body = gzip.compress(body, 1, mtime=0)
            headers["Content-Encoding"] = "gzip"
        if body is not None:
            headers["Content-Type"] = self._settings.preset.content_type
        # The receiver may have closed a connection that nothing came over; that is no fault.
        kept = self._connection is not None
        try:
            return self._once(method, body, headers)
        except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError) as error:
            self.close()
            if not kept:
                raise self._failed(error) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise self._failed(error) from error
        try:
            return self._once(method, body, headers)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise self._failed(error) from error

    def _once(self, method: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        connection = self._connected()
        connection.request(method, self._settings.path, body, headers)
        with connection.getresponse() as response:
            said = response.read(MAX_ANSWER + 1)
            if len(said) > MAX_ANSWER or response.will_close:
                self.close()
            return Answer(response.status, said, response.getheader("Location") or "")

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            at = (self._settings.host, self._settings.port)
            self._connection = (
                http.client.HTTPConnection(*at, timeout=SECONDS)
                if self._context is None
                else http.client.HTTPSConnection(*at, timeout=SECONDS, context=self._context)
            )
        return self._connection

    def _make_headers(self) -> dict[str, str]:
        settings = self._settings
        headers = {"User-Agent": f"Hauberk/{__version__}", "Accept": "application/json"}
        headers |= {name: self._valid(secret()) for name, secret in settings.headers}
        if settings.token is not None:
            headers["Authorization"] = f"{settings.preset.scheme} {self._valid(settings.token())}"
        if settings.login is not None:
            user, password = settings.login
            pair = base64.b64encode(f"{user}:{password()}".encode()).decode("ascii")
            headers["Authorization"] = f"Basic {pair}"
        return headers

    def _valid(self, secret: str) -> str:
        if not _VALUE.match(secret):
            raise UsageError("a token or header is no line of text", where=self._settings.where)
        return secret

    def _failed(self, error: BaseException) -> NotSentError:
        said = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        if isinstance(error, ssl.SSLCertVerificationError):
            said = f"its certificate is not trusted: {error.verify_message}"
        return NotSentError(str(said) or type(error).__name__, where=self._settings.where)
