"""Homes with something to tell, and receivers that speak as real ones do."""

import gzip
import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from hauberk.events import findings_frame
from hauberk.pipeline.incidents import stored_incident
from hauberk.reports.outputs import Message, Output, Subject, read_outputs
from hauberk.store import Commit, Home, read_settings
from hauberk.triage import Incident, Reason

START = datetime(2026, 3, 2, 10, tzinfo=UTC)


def finding(uid: str, **changes: object) -> dict[str, object]:
    return {
        "uid": uid, "time": START, "end_time": START, "detector": "sigma",
        "detector_version": "1", "kind": "rule", "rule_uid": "r-1", "title": f"title {uid}",
        "message": f"something was seen: {uid}", "severity_id": 4, "techniques": ["T1490"],
        "entities": ["host:ws07", "user:jlee"], "evidence": [], "count": 1, "surprise": 0.01,
        "reasons": [{"text": "because", "value": "1", "bits": 2.5}], **changes,
    }  # fmt: skip


def incident(uid: str, **changes: Any) -> Incident:
    given: dict[str, Any] = {
        "uid": uid, "title": f"story {uid}", "probability": 0.75, "prior_bits": -3.0,
        "tactic_bits": 0.0, "start": START, "end": START + timedelta(hours=1),
        "entities": ["host:ws07", "user:jlee", "ip:10.0.0.5", r"file:C:\tools\a.exe",
                     "process:b.exe", "domain:files.example.org", "hash:" + "ab" * 32,
                     "mailbox:jlee@example.org", "principal:arn:x", "ip:fe80::1"],
        "techniques": ["T1490", "T1059.001"], "tactics": ["impact", "execution"],
        "findings": [f"f-{uid}"], "event_count": 3,
        "reasons": [Reason("because", f"f-{uid}", 2.5)], "links": [], "narrative": "It went so.",
        "above_budget": True, "severity_id": 4,
    }  # fmt: skip
    return Incident(**given | changes)


def say(home: Path, *findings: str, incidents: list[Incident] | None = None) -> None:
    """Commit findings by uid, and incidents in place of all that were there."""
    with Home.open(home) as opened:
        rows = [finding(one) for one in findings]
        stored = [stored_incident(one) for one in incidents or ()]
        before = set() if incidents is None else {one.uid for one in opened.records.incidents()}
        gone = sorted(before - {one.uid for one in stored})
        opened.commit(Commit(findings=findings_frame(rows), incidents=stored, gone_incidents=gone))


def message(number: int, **changes: Any) -> Message:
    given: dict[str, Any] = {
        "id": f"id-{number}", "uid": f"uid-{number}", "subject": Subject.FINDING, "time": START,
        "severity_id": 4, "title": f"title {number}",
        "data": orjson.dumps({"metadata": {"uid": f"id-{number}"}, "time": 1}),
    }  # fmt: skip
    return Message(**given | changes)


@dataclass
class Receiver:
    """An HTTP server that keeps what it is sent; `answer` makes its answers."""

    port: int = 0
    answer: Callable[[bytes, dict[str, str]], tuple[int, bytes, dict[str, str]]] = (
        lambda _body, _headers: (200, b"{}", {})
    )
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Callable[..., Receiver]]:
    """Starts HTTP servers on loopback, with TLS where a context is given."""
    servers: list[http.server.ThreadingHTTPServer] = []

    def begun(context: ssl.SSLContext | None = None) -> Receiver:
        made = Receiver()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                headers = dict(self.headers.items())
                made.paths.append(self.path)
                made.headers.append(headers)
                status, said, more = made.answer(body, headers)
                made.bodies.append(body)
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            do_GET = do_POST  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        made.port = server.server_address[1]
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return made

    yield begun
    for one in servers:
        one.shutdown()
        one.server_close()


@pytest.fixture
def configured(home_path: Path) -> Callable[..., list[Output]]:
    """Outputs of a settings file with this text, in the home's folder."""

    def read(text: str) -> list[Output]:
        home_path.mkdir(exist_ok=True, mode=0o700)
        path = home_path / "hauberk.toml"
        path.write_text(text)
        path.chmod(0o600)
        return read_outputs(read_settings(path))

    return read
