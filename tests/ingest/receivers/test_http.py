"""HTTP ingest over real sockets: what is answered with 2xx is on the device, and nothing else."""

import contextlib
import gzip
import http.client
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from hauberk.ingest.formats.envelope import opened
from hauberk.ingest.receivers import (
    Contract,
    Kind,
    Received,
    Receiving,
    Source,
    Sources,
    Tls,
    Tokens,
)

pytest.importorskip("uvicorn")

from hauberk.ingest.receivers import bodies, serving  # they need what may be absent


class Client:
    """Talks to one source."""

    def __init__(self, receiving: Receiving, token: str, home: Path) -> None:
        self.receiving = receiving
        self.token = token
        self.home = home
        self.port = receiving.ports["web"]

    @property
    def counted(self) -> Received:
        return self.receiving.counted["web"]

    def post(
        self, path: str, body: bytes, *, token: str | None = None,
        context: ssl.SSLContext | None = None, kind: str = "text/plain", encoding: str = "",
        name: str = "",
    ) -> tuple[int, bytes, dict[str, str]]:  # fmt: skip
        if context is not None:
            to: http.client.HTTPConnection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, context=context, timeout=20
            )
        else:
            to = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        sent = {"Content-Type": kind, **({"Content-Encoding": encoding} if encoding else {})}
        if name:
            sent["Idempotency-Key"] = name
        token = self.token if token is None else token
        if token:
            sent["Authorization"] = f"Bearer {token}"
        try:
            to.request("POST", path, body, sent)
            answer = to.getresponse()
            return answer.status, answer.read(), dict(answer.headers)
        finally:
            to.close()

    def kept(self) -> list[bytes]:
        found = []
        for path in sorted((self.home / "spool" / "web").rglob("*.log")):
            for line in path.read_bytes().split(b"\n")[1:-1]:
                one = opened(line)
                assert one is not None
                found.append(one.sent)
        return found


def source(tls: Tls | None = None, **contract: object) -> Source:
    return Source(
        "web", Kind.HTTP, address=("127.0.0.1", 0), tls=tls,
        contract=Contract(**contract),  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    token = Tokens(tmp_path).make("web")
    with Receiving(Sources((source(),)), tmp_path) as receiving:
        yield Client(receiving, token, tmp_path)


def entry(number: int) -> bytes:
    row = {"__REALTIME_TIMESTAMP": "1772445600000000", "MESSAGE": f"m{number}", "_HOSTNAME": "h"}
    return json.dumps(row).encode()


BODY = b"\n".join(entry(number) for number in range(100)) + b"\n"
LINES = BODY.split(b"\n")[:-1]
RECORDS = "/v1/records/web"
LOGS = json.dumps(
    {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "x"}}] * 3}]}]}
).encode()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [("", BODY), ("gzip", gzip.compress(BODY)), ("zstd", zstandard.compress(BODY))],
)
def test_what_is_accepted_is_on_the_device_when_the_answer_comes(
    client: Client, encoding: str, body: bytes
) -> None:
    status, answer, _ = client.post(RECORDS, body, encoding=encoding)
    assert (status, json.loads(answer)) == (200, {"accepted": 100})
    assert client.kept() == LINES
    assert client.counted.records == 100


def test_the_spool_file_names_the_format_of_what_was_sent(client: Client) -> None:
    client.post(RECORDS, BODY)
    client.post("/v1/logs/web", LOGS, kind="application/json")
    names = {path.name.split(".")[1] for path in (client.home / "spool" / "web").iterdir()}
    assert names == {"journald", "otlp"}


@pytest.mark.parametrize(
    ("token", "status"), [("", None), ("x", 401), ("hbk_" + "A" * 43, 401), ("other", 403)]
)
def test_without_the_token_of_this_source_nothing_is_taken(
    client: Client, token: str, status: int | None
) -> None:
    if token == "other":
        token = Tokens(client.home).make("other")
    if token == "":
        to = http.client.HTTPConnection("127.0.0.1", client.port)
        to.request("POST", RECORDS, BODY)
        assert to.getresponse().status == 401
        to.close()
    else:
        assert client.post(RECORDS, BODY, token=token)[0] == status
    assert client.kept() == []
    assert client.counted.refused == 1


def test_a_token_that_was_revoked_opens_nothing_from_then_on(client: Client) -> None:
    assert client.post(RECORDS, BODY)[0] == 200
    Tokens(client.home).revoke("web")
    assert client.post(RECORDS, BODY)[0] == 401


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b'{"a": 1}\nno json\n', "", 400),
        (b"[1]\n", "", 400),
        (b'{"of": "no format that is known"}\n', "", 422),
        (b"#hauberk-received 1 syslog x\n", "", 400),
        (b"not gzip", "gzip", 400),
        (gzip.compress(BODY)[:-9], "gzip", 400),
        (b"not zstd", "zstd", 400),
        (BODY, "br", 415),
        (gzip.compress(b" " * (33 << 20)), "gzip", 413),
        (zstandard.compress(b" " * (33 << 20)), "zstd", 413),
        (b'{"a": "' + b"x" * (2 << 20) + b'"}', "", 413),
    ],
)
def test_a_body_that_is_not_as_agreed_is_refused_whole(
    client: Client, body: bytes, encoding: str, status: int
) -> None:
    found, answer, _ = client.post(RECORDS, body, encoding=encoding)
    assert found == status
    assert json.loads(answer)["error"]
    assert client.kept() == []


def test_a_body_that_is_too_long_is_not_read_to_its_end(client: Client) -> None:
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as sender:
        sender.sendall(
            f"POST {RECORDS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}\r\n"
            "Content-Length: 99999999999\r\n\r\n".encode()
        )
        assert sender.recv(100).startswith(b"HTTP/1.1 413")


def test_a_chunked_body_that_never_ends_is_cut_off(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "MAX_BODY", 1 << 20)
    with socket.create_connection(("127.0.0.1", client.port), timeout=20) as sender:
        sender.sendall(
            f"POST {RECORDS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 4000:
                sender.sendall(chunk)
                sent += 1
        assert sent < 4000
    assert client.kept() == []


@pytest.mark.parametrize("start", [b"", b"POST /v1/rec", b"POST / HTTP/1.1\r\nX: y\r\n"])
def test_whoever_does_not_finish_the_headers_is_cut_off(
    client: Client, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(serving, "HEADER_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as sender:
        began = time.monotonic()
        sender.sendall(start)
        alive = True
        while alive and time.monotonic() - began < 8:
            time.sleep(0.1)
            try:
                sender.sendall(b"" if not start else b"a")
                sender.settimeout(0.05)
                alive = sender.recv(100) != b""
            except TimeoutError:
                continue
            except OSError:
                alive = False
        assert not alive
        assert time.monotonic() - began < 5
    assert client.post(RECORDS, BODY)[0] == 200


def test_whoever_does_not_finish_the_body_is_answered_in_time(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as sender:
        sender.sendall(
            f"POST {RECORDS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {client.token}\r\n"
            "Content-Length: 1000\r\n\r\n{".encode()
        )
        assert sender.recv(100).startswith(b"HTTP/1.1 408")


def test_headers_without_end_are_refused(client: Client) -> None:
    with socket.create_connection(("127.0.0.1", client.port), timeout=10) as sender:
        sent = 0
        try:
            sender.sendall(b"POST / HTTP/1.1\r\n")
            for number in range(100_000):
                sent += sender.send(b"X-%d: %s\r\n" % (number, b"y" * 100))
                if number % 100 == 0:
                    time.sleep(0.001)
        except OSError:
            pass
        assert sent < 8_000_000


def test_a_full_spool_is_answered_with_when_to_come_back(tmp_path: Path) -> None:
    token = Tokens(tmp_path).make("web")
    with Receiving(Sources((source(),), max_spool=0), tmp_path) as receiving:
        client = Client(receiving, token, tmp_path)
        while not receiving.full:
            time.sleep(0.01)
        for path, kind in ((RECORDS, "text/plain"), ("/v1/logs", "application/json")):
            status, _, headers = client.post(path, LOGS, kind=kind)
            assert status == 429
            assert int(headers["retry-after"]) > 0
        assert client.counted.held_back == 2
        assert client.kept() == []


def test_otlp_is_answered_as_otlp(client: Client) -> None:
    status, body, headers = client.post("/v1/logs", LOGS, kind="application/json")
    assert (status, body, headers["content-type"]) == (200, b"{}", "application/json")
    assert len(client.kept()) == 3
    status, body, _ = client.post("/v1/logs", b"[", kind="application/json")
    assert status == 400
    assert json.loads(body)["message"]
    status, body, headers = client.post("/v1/logs", b"\xff", kind="application/x-protobuf")
    assert (status, headers["content-type"]) == (400, "application/x-protobuf")
    assert body.startswith(b"\x08\x03\x12")
    status, body, _ = client.post("/v1/logs", b"", kind="application/x-protobuf")
    assert (status, body) == (200, b"")
    assert client.post("/v1/logs", LOGS, kind="text/plain")[0] == 415


def test_a_format_that_the_contract_does_not_name_is_refused_and_counted(tmp_path: Path) -> None:
    token = Tokens(tmp_path).make("web")
    agreed = source(formats=frozenset({"zeek"}))
    with Receiving(Sources((agreed,)), tmp_path) as receiving:
        client = Client(receiving, token, tmp_path)
        assert client.post(RECORDS, BODY)[0] == 422
        assert client.counted.strangers == 1
        assert client.counted.strange == "journald; expected zeek"
        assert client.post("/v1/logs", LOGS, kind="application/json")[0] == 422
        assert client.kept() == []


def test_over_tls_clients_certificates_stand_in_for_tokens(tmp_path: Path, tls_files: Path) -> None:
    tls = Tls(tls_files / "server.pem", tls_files / "server.key", tls_files / "ca.pem")
    with Receiving(Sources((source(tls),)), tmp_path) as receiving:
        client = Client(receiving, "", tmp_path)
        context = ssl.create_default_context(cafile=tls_files / "ca.pem")
        with pytest.raises(OSError):  # noqa: PT011  # which one depends on who hangs up first
            client.post(RECORDS, BODY, context=context)
        context.load_cert_chain(tls_files / "client.pem", tls_files / "client.key")
        assert client.post(RECORDS, BODY, context=context)[0] == 200
        assert client.post("/v1/logs", LOGS, context=context, kind="application/json")[
            0
        ] == 200  # fmt: skip
    assert len(client.kept()) == 103


def test_plain_http_to_a_tls_port_is_not_answered(tmp_path: Path, tls_files: Path) -> None:
    tls = Tls(tls_files / "server.pem", tls_files / "server.key")
    token = Tokens(tmp_path).make("web")
    with (
        Receiving(Sources((source(tls),)), tmp_path) as receiving,
        pytest.raises((OSError, http.client.HTTPException)),
    ):
        Client(receiving, token, tmp_path).post(RECORDS, BODY)


@pytest.mark.parametrize("path", ["/", "/v1/records/", "/v1/records/..%2f..%2fkeys", "/docs"])
def test_nothing_else_is_served(client: Client, path: str) -> None:
    assert client.post(path, BODY)[0] in (403, 404)
    assert client.kept() == []


def test_nothing_of_a_body_or_token_is_logged(
    client: Client, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        client.post(RECORDS, b'{"secret-of-body": 1}')
        client.post(RECORDS, BODY, token="hbk_secret")
    told = caplog.text + "".join(capfd.readouterr())
    assert "secret" not in told
    assert client.token not in told


def test_many_at_once_are_each_kept_once(client: Client) -> None:
    accepted: list[int] = []

    def send(number: int) -> None:
        body = b"\n".join(entry(number * 100 + at) for at in range(100))
        if client.post(RECORDS, body)[0] == 200:
            accepted.append(number)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(30)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(accepted) == 30
    assert sorted(client.kept()) == sorted(entry(number) for number in range(3000))


def test_a_named_body_that_is_sent_again_is_kept_once(client: Client) -> None:
    assert client.post(RECORDS, BODY, name="first")[0] == 200
    status, said, _ = client.post(RECORDS, BODY, name="first")
    assert (status, json.loads(said)) == (200, {"accepted": 100})
    assert client.kept() == LINES
    assert client.counted.again == 1
    assert client.post(RECORDS, BODY, name="second")[0] == 200
    assert client.post(RECORDS, BODY)[0] == 200
    assert client.kept() == LINES * 3


def test_a_name_is_known_to_the_next_receiver_and_to_no_other_source(tmp_path: Path) -> None:
    token = Tokens(tmp_path).make("web")
    other = Source("app", Kind.HTTP, address=("127.0.0.1", 0))
    for _ in range(2):
        with Receiving(Sources((source(), other)), tmp_path) as receiving:
            client = Client(receiving, token, tmp_path)
            assert client.post(RECORDS, BODY, name="one")[0] == 200
            assert client.kept() == LINES
    foreign = Tokens(tmp_path).make("app")
    with Receiving(Sources((source(), other)), tmp_path) as receiving:
        client = Client(receiving, foreign, tmp_path)
        client.port = receiving.ports["app"]
        assert client.post("/v1/records/app", BODY, name="one")[0] == 200
        assert receiving.counted["app"].again == 0


def test_of_a_named_body_that_was_spooled_in_part_the_rest_is_kept(tmp_path: Path) -> None:
    token = Tokens(tmp_path).make("web")
    with Receiving(Sources((source(),)), tmp_path) as receiving:
        assert Client(receiving, token, tmp_path).post(RECORDS, BODY, name="one")[0] == 200
    (file,) = (tmp_path / "spool" / "web").glob("*.log")
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:31]) + lines[31][:50])  # what a kill amid a write leaves
    with Receiving(Sources((source(),)), tmp_path) as receiving:
        client = Client(receiving, token, tmp_path)
        assert client.post(RECORDS, BODY, name="one")[0] == 200
    assert client.kept() == LINES


def test_another_body_under_a_known_name_is_kept(client: Client) -> None:
    more = BODY + entry(100) + b"\n"
    for body in (BODY, more, BODY, more):
        assert client.post(RECORDS, body, name="1")[0] == 200
    assert client.kept() == LINES + more.split(b"\n")[:-1]


def test_a_name_without_end_is_refused(client: Client) -> None:
    status, said, _ = client.post(RECORDS, BODY, name="x" * 256)
    assert status == 400
    assert "255" in said.decode()
    assert client.kept() == []
