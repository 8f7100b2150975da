"""Requests that no page of ours sends: other addresses, other hosts, other shapes, other SQL."""

import contextlib
import http.server
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from hauberk.console import Console
from hauberk.console.certificates import certificate_for
from hauberk.console.permissions import Role
from hauberk.console.serving import ServeOptions, configured, names_of

SAME_SITE = {"sec-fetch-site": "same-origin"}
OUTSIDE = [
    "../../../../etc/passwd", "..%2f..%2f..%2fetc%2fpasswd", "..%252f..%252fetc%252fpasswd",
    "%2e%2e/%2e%2e/etc/passwd", "..\\..\\etc\\passwd", "..%5c..%5cetc%5cpasswd",
    "....//....//etc/passwd", "%c0%ae%c0%ae%c0%afetc%c0%afpasswd", "/etc/passwd", "%2fetc%2fpasswd",
    "file:%2f%2f%2fetc%2fpasswd", "x%00.css", "%0d%0aSet-Cookie:%20a=b", "console.css%00", "~root",
    "a" * 5000, "%ff%fe", "\u202e", "keys/ledger.pem", "..;/keys/ledger.pem", "'", '"><x>', "${x}",
]  # fmt: skip
LET_GO = (ConnectionError, ssl.SSLEOFError)
"""What a client meets whose connection is closed while it writes, by where the bytes are then."""
SECRET_SIGNS = ("root:x:0", "PRIVATE KEY", "SQLite format 3")


class Counting(http.server.BaseHTTPRequestHandler):
    """A server that nobody has a reason to ask."""

    def handle_one_request(self) -> None:
        asked = self.server.asked  # type: ignore[attr-defined]
        asked.append(self.client_address)
        self.close_connection = True


@pytest.fixture
def canary() -> Iterator[Any]:
    """A server on loopback with `asked`, whoever connected to it."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    server.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def routes(app: FastAPI) -> list[tuple[str, APIRoute]]:
    return [
        (method, one) for one in app.routes if isinstance(one, APIRoute)
        for method in sorted(one.methods or ())
    ]  # fmt: skip


def filled(path: str, value: str) -> str:
    """A route's address with the value in each place that takes one."""
    return "/".join(value if "{" in part else part for part in path.split("/"))


def test_no_path_parameter_leads_to_a_file(app: FastAPI, person: Callable[..., Any]) -> None:
    everybody = person(*Role, name="all").browser
    taking = {one.path for method, one in routes(app) if "{" in one.path and method == "GET"}
    assert len(taking) > 8
    for path in sorted(taking):
        for value in OUTSIDE:
            answer = everybody.get(filled(path, value))
            assert answer.status_code in {200, 303, 400, 401, 404, 410, 422}, (path, value)
            assert not [one for one in SECRET_SIGNS if one in answer.text], (path, value)
            assert answer.status_code != 200 or "Not here" not in answer.text
            assert "set-cookie: a=b" not in str(answer.headers).lower()


def test_values_that_no_form_sends_are_refused_and_break_nothing(
    app: FastAPI, person: Callable[..., Any], incident: str
) -> None:
    """Every form of every page, with what breaks careless code: no answer is a fault of ours."""
    everybody = person(*Role, name="all")
    values = ["\x00", "-1", "9" * 400, "1e309", "NaN", "[]", "{}", "%s%n", "\ud800", "\u202e",
              "x" * 7900, "2026-13-45T99:99", "<script>", "';--", "${7*7}", "{{7*7}}"]  # fmt: skip
    names = _field_names()
    assert len(names) > 20
    token = everybody.browser.get("/account").text.split('name="csrf" value="')[1].split('"')[0]
    for method, route in routes(app):
        if method not in ("POST", "PUT", "DELETE", "PATCH") or route.path in _LAST:
            continue
        for value in values[:: 1 if route.path == "/hunt" else 3]:
            data = {"csrf": token, **dict.fromkeys(names, value.encode("utf-8", "replace"))}
            answer = everybody.browser.request(
                method, filled(route.path, incident), data=data, headers=SAME_SITE
            )
            assert answer.status_code < 500, (method, route.path, value)
            assert "Traceback" not in answer.text
            assert "<script>" not in answer.text.replace("<script src", "")


_LAST = {"/sign-out", "/account/sessions/end"}  # they end what the test asks with


def _field_names() -> list[str]:
    """Names of all fields of all forms, from the templates."""
    folder = Path(__file__).parents[2] / "src" / "hauberk" / "console" / "templates"
    texts = "".join(one.read_text("utf-8") for one in folder.glob("*.j2"))
    return sorted(
        set(re.findall(r'(?:input|select|textarea|button)[^>]*? name="(\w+)"', texts)) - {"csrf"}
    )


def test_nothing_that_is_sent_makes_the_console_call_out(
    app: FastAPI, person: Callable[..., Any], incident: str, canary: Any
) -> None:
    url = f"http://127.0.0.1:{canary.server_port}/x"
    everybody = person(*Role, name="all")
    token = everybody.browser.get("/account").text.split('name="csrf" value="')[1].split('"')[0]
    data = {"csrf": token, **dict.fromkeys(_field_names(), url)}
    headers = {
        **SAME_SITE, "referer": url, "x-forwarded-host": f"127.0.0.1:{canary.server_port}",
        "x-forwarded-for": url, "forwarded": f"host={url}", "x-original-url": url,
    }  # fmt: skip
    for method, route in routes(app):
        if route.path in (*_LAST, "/live"):
            continue
        for value in (incident, url.replace("/", "%2f")):
            where = filled(route.path, value)
            if method == "GET":
                everybody.browser.get(where, headers=headers, params={"back": url, "text": url})
            else:
                everybody.browser.request(method, where, data=data, headers=headers)
    for sql in (
        f"SELECT * FROM read_csv('{url}')", f"SELECT * FROM '{url}'", f"ATTACH '{url}' AS a",
        f"SELECT * FROM read_parquet(['{url}'])", f"COPY (SELECT 1) TO '{url}'",
        "INSTALL httpfs", "LOAD httpfs",
    ):  # fmt: skip
        assert everybody.post("/hunt", sql=sql).status_code == 400, sql
    assert canary.asked == []


TRICKS = [
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('{home}/keys/ledger.pem')",
    "SELECT * FROM sqlite_scan('{home}/console.sqlite3', 'accounts')",
    "SELECT * FROM glob('/**')",
    "SELECT getenv('HOME')",
    "COPY (SELECT 1) TO '{home}/owned'",
    "ATTACH '{home}/records.sqlite3' AS r (TYPE sqlite)",
    "SET enable_external_access = true",
    "SELECT 1; DROP VIEW events",
    "SELECT 1 -- \n; CALL pragma_version()",
    "SELECT * FROM duckdb_settings()",
    "FROM events; COPY events TO '{home}/owned'",
    "SELECT * FROM query('COPY (SELECT 1) TO ''{home}/owned''')",
    "EXPLAIN ANALYZE SELECT * FROM read_text('/etc/passwd')",
    "WITH x AS (SELECT * FROM read_text('/etc/hostname')) SELECT * FROM x",
    "SELECT * FROM read_json_auto('/proc/self/environ')",
]

HARMLESS = {"SELECT * FROM duckdb_settings()"}
"""They answer, with nothing of the machine's in it but paths of the hunt's own process."""


def test_hunts_reach_nothing_but_the_lake(
    person: Callable[..., Any], home: Path, console: Console
) -> None:
    """Through the page: what the sandbox behind it refuses is tried in the tests of hunting."""
    analyst = person(Role.ANALYST)
    before = {one for one in home.rglob("*") if "sqlite3" not in one.name}
    for trick in TRICKS:
        answer = analyst.post("/hunt", sql=trick.replace("{home}", str(home)))
        told = "No row answers" in answer.text or trick in HARMLESS
        assert answer.status_code == 400 or told, trick
        assert not [one for one in SECRET_SIGNS if one in answer.text], trick
    assert {one for one in home.rglob("*") if "sqlite3" not in one.name} == before
    assert "1 row" in analyst.post("/hunt", sql="SELECT count(*) FROM events").text


@pytest.fixture
def port(app: FastAPI, console: Console, tmp_path: Path, clock: Any) -> Iterator[int]:
    """The application behind its own server and TLS, as it is served."""
    folder = tmp_path / "tls"
    folder.mkdir(mode=0o700)
    made = certificate_for(folder, names_of(ServeOptions(console.reading.path)), clock())
    options = ServeOptions(console.reading.path, port=0)
    config = configured(app, options, made)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < until
        time.sleep(0.02)
    yield int(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    thread.join(20)


def said_to(port: int, data: bytes) -> bytes:
    """What the server answers to these bytes until it says no more."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wire,
    ):
        with contextlib.suppress(*LET_GO):  # it need not hear us out
            wire.sendall(data)
        wire.settimeout(1.5)
        got = b""
        try:
            while part := wire.recv(65536):
                got += part
        except (TimeoutError, *LET_GO):
            pass
    return got


HEAD = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: same-origin\r\n"
SECOND = b"GET /people HTTP/1.1\r\nHost: localhost\r\n\r\n"
LONG = b"a" * 1_000_000
"""More than comes with one read: the bound is asked of what is not whole by then."""


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
        HEAD + b"Content-Length: 5\r\nContent-Length: 50\r\n\r\nabcde" + SECOND,
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SECOND,
        HEAD + b"Content-Length: +5\r\n\r\nabcde" + SECOND,
        HEAD + b"Content-Length : 5\r\n\r\nabcde" + SECOND,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b: folded\x00\r\n\r\n",
        b"GET /" + LONG + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + LONG + b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\n",
        b"GET http://127.0.0.1:22/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"\x00\x01\x02\x03" * 50,
    ],
    ids=["cl-te", "two-lengths", "unknown-coding", "signed-length", "space-in-name", "two-hosts",
         "null", "long-line", "long-header", "http2", "connect", "absolute", "noise"],
)  # fmt: skip
def test_what_two_servers_could_read_differently_is_refused(port: int, data: bytes) -> None:
    got = said_to(port, data)
    lines = [one for one in got.split(b"\r\n") if one.startswith(b"HTTP/1.1 ")]
    assert len(lines) <= 1, lines  # nothing behind the first is taken for a request
    assert all(one[9:10] == b"4" for one in lines), lines


def test_a_slow_body_holds_nobody_else_up(port: int) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    slow = [
        context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=20))
        for _ in range(30)
    ]
    for one in slow:
        one.sendall(HEAD + b"Content-Length: 60000\r\n\r\na")
    got = said_to(port, b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200")
    for one in slow:
        one.close()


def test_pages_with_data_are_kept_nowhere(
    app: FastAPI, person: Callable[..., Any], incident: str
) -> None:
    everybody = person(*Role, name="all").browser
    for method, route in routes(app):
        if method == "GET" and route.path != "/live":
            headers = everybody.get(filled(route.path, incident)).headers
            kept = "no-store" if not route.path.startswith("/static") else headers["cache-control"]
            assert headers["cache-control"] == kept, route.path


def test_a_browser_that_sends_too_much_is_told_so(browser: Callable[[], TestClient]) -> None:
    stranger = browser()
    many = "&".join(f"f{one}=x" for one in range(5000))
    form = stranger.get("/sign-in").text.split('name="csrf" value="')[1].split('"')[0]
    answer = stranger.post(
        "/sign-in", content=f"csrf={form}&{many}",
        headers={**SAME_SITE, "content-type": "application/x-www-form-urlencoded"},
    )  # fmt: skip
    assert answer.status_code == 403  # read as no form at all
    assert stranger.get("/sign-in?" + many).status_code == 200
    assert stranger.get("/sign-in", headers={"cookie": "x=" + "a" * 20_000}).status_code == 200
