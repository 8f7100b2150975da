"""Ask one address over TLS: bounded in size and in time, and no redirect is followed."""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from urllib.parse import SplitResult, urlencode, urlsplit

MAX_BYTES = 256 << 10
"""Of an answer."""

SECONDS = 10.0
"""To connect in, and then for all of the answer."""


def usable(url: object) -> SplitResult | None:
    """The parts of an https address of a host; None for any other, or one that says who asks."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        return None
    try:
        at = urlsplit(url)
        named = at.scheme == "https" and at.hostname and at.port != 0
    except ValueError:
        return None
    return at if named and not at.fragment and not set(at.netloc) & set("\\@%") else None


def ask(
    url: str, trust: ssl.SSLContext, form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> tuple[int, bytes]:  # fmt: skip
    """Status and body of what is at an address; a form is posted. Proxies are not asked.

    Raises OSError, http.client.HTTPException, and ValueError for an answer that is too large.
    """
    at = urlsplit(url)
    body = None if form is None else urlencode(form)
    sent = {"Accept": "application/json", **(headers or {})}
    if body is not None:
        sent["Content-Type"] = "application/x-www-form-urlencoded"
    connection = http.client.HTTPSConnection(
        at.hostname or "", at.port, timeout=SECONDS, context=trust
    )
    try:
        connection.connect()
        with _hung_up_when_late(connection.sock):
            path = f"{at.path or '/'}{f'?{at.query}' if at.query else ''}"
            connection.request("GET" if body is None else "POST", path, body, sent)
            answer = connection.getresponse()
            data = answer.read(MAX_BYTES + 1)
    finally:
        connection.close()
    if len(data) > MAX_BYTES:
        raise ValueError("too much")
    return answer.status, data


@contextlib.contextmanager
def _hung_up_when_late(connected: socket.socket) -> Iterator[None]:
    """Bound an exchange as a whole: the timeout of a socket bounds each wait, and answers may drip.

    Raises TimeoutError.
    """
    late = threading.Event()

    def hang_up() -> None:
        late.set()
        with contextlib.suppress(OSError):
            # Of the connection below TLS: who reads meanwhile meets its end, never plain bytes.
            socket.socket.shutdown(connected, socket.SHUT_RDWR)

    timer = threading.Timer(SECONDS, hang_up)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError("too slow")
