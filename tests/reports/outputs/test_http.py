"""HTTP outputs against servers that answer as Splunk, Elasticsearch and others do."""

import json
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.reports.outputs.conftest import Receiver, message

from hauberk.errors import UsageError
from hauberk.reports.outputs import NotSentError, Output, RefusedError, Sender, sender_of

Configured = Callable[..., list[Output]]
MESSAGES = [message(number) for number in range(4)]


@pytest.fixture
def sender(configured: Configured, receiver: Callable[..., Receiver]) -> Any:
    """Makes a server, and the sender of an output to it."""

    def make(more: str = "", path: str = "/in") -> tuple[Receiver, Sender]:
        server = receiver()
        url = f"http://127.0.0.1:{server.port}{path}"
        (output,) = configured(f'[outputs.siem]\nkind = "http"\nurl = "{url}"\n{more}')
        return server, sender_of(output)

    return make


@pytest.mark.parametrize(("preset", "splits"), [("json", False), ("lines", True)])
def test_generic_bodies_hold_all_messages_in_order(sender: Any, preset: str, splits: bool) -> None:
    server, made = sender(f'preset = "{preset}"\ntoken = "s3cret"\n')
    assert made.send(MESSAGES) == ()
    body = server.bodies[0]
    found = [orjson.loads(one) for one in body.splitlines()] if splits else orjson.loads(body)
    assert [one["metadata"]["uid"] for one in found] == ["id-0", "id-1", "id-2", "id-3"]
    assert server.headers[0]["Authorization"] == "Bearer s3cret"
    assert server.headers[0]["Content-Encoding"] == "gzip"


def test_one_connection_serves_many_bodies_and_is_made_anew_when_it_was_closed(sender: Any) -> None:
    server, made = sender()
    made.send(MESSAGES[:1])
    server.answer = lambda _body, _headers: (200, b"", {"Connection": "close"})
    for one in MESSAGES[1:]:
        made.send([one])
    assert len(server.bodies) == 4
    made.close()


def splunk(number: int | None = None, code: int = 0, status: int = 200) -> Any:
    said = {"text": "Success" if not code else "wrong", "code": code}
    if number is not None:
        said["invalid-event-number"] = number
    return lambda _body, _headers: (status, json.dumps(said).encode(), {})


def test_splunk_gets_events_with_time_index_and_id(sender: Any) -> None:
    server, made = sender('preset = "splunk"\ntoken = "abc"\nindex = "main"\n')
    server.answer = splunk()
    assert made.send(MESSAGES[:2]) == ()
    decoder, text, events = json.JSONDecoder(), server.bodies[0].decode(), []
    while text:
        event, end = decoder.raw_decode(text)
        events.append(event)
        text = text[end:]
    assert [one["event"]["metadata"]["uid"] for one in events] == ["id-0", "id-1"]
    assert events[0]["index"] == "main"
    assert events[0]["time"] == MESSAGES[0].time.timestamp()
    assert events[0]["fields"] == {"hauberk_id": "id-0"}
    assert server.headers[0]["Authorization"] == "Splunk abc"


def test_splunk_names_the_event_that_it_refuses_and_has_taken_those_before(sender: Any) -> None:
    server, made = sender('preset = "splunk"\n')
    server.answer = splunk(2, 6, 400)
    with pytest.raises(RefusedError) as refused:
        made.send(MESSAGES)
    assert refused.value.at == 2


@pytest.mark.parametrize(("code", "status"), [(7, 400), (4, 403), (9, 503), (1, 403), (10, 400)])
def test_splunk_faults_of_index_token_channel_or_load_let_no_message_go(
    sender: Any, code: int, status: int
) -> None:
    server, made = sender('preset = "splunk"\n')
    server.answer = splunk(None, code, status)
    with pytest.raises(NotSentError, match=str(status)):
        made.send(MESSAGES)


def bulk(*statuses: int) -> Any:
    def answer(body: bytes, _headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        lines = body.splitlines()
        items = []
        for at, status in enumerate(statuses):
            action = orjson.loads(lines[2 * at])
            result: dict[str, Any] = {"_id": action["create"]["_id"], "status": status}
            if status >= 400:
                result["error"] = {"type": "some_exception", "reason": "because\nof that"}
            items.append({"create": result})
        said = {"took": 1, "errors": any(one >= 400 for one in statuses), "items": items}
        return 200, orjson.dumps(said), {}

    return answer


def test_elasticsearch_makes_documents_once_refuses_some_and_knows_others(sender: Any) -> None:
    server, made = sender('preset = "elastic"\nuser = "u"\npassword = "p"\nindex = "h"\n')
    server.answer = bulk(201, 409, 400, 201)
    refused = made.send(MESSAGES)
    assert [(one.message.id, one.reason) for one in refused] == [
        ("id-2", "400: some_exception: because of that")
    ]
    lines = [orjson.loads(one) for one in server.bodies[0].splitlines()]
    assert lines[0] == {"create": {"_id": "id-0", "_index": "h"}}
    assert lines[1]["@timestamp"] == "2026-03-02T10:00:00.000+00:00"
    assert server.headers[0]["Authorization"] == "Basic dTpw"


def test_elasticsearch_that_is_too_busy_for_some_is_asked_again_and_has_the_others(
    sender: Any,
) -> None:
    server, made = sender('preset = "elastic"\n')
    server.answer = bulk(201, 201, 429, 201)
    with pytest.raises(NotSentError, match="429") as failed:
        made.send(MESSAGES)
    assert failed.value.done == {"id-0", "id-1", "id-3"}


@pytest.mark.parametrize("said", [b"", b"[]", b'{"items": []}', b'{"items": [1, 2, 3, 4]}',
                                  b'{"items": [{"index": {}}, {}, {}, {}]}'])  # fmt: skip
def test_what_is_no_answer_of_the_bulk_api_counts_as_nothing_taken(
    sender: Any, said: bytes
) -> None:
    server, made = sender('preset = "elastic"\n')
    server.answer = lambda _body, _headers: (200, said, {})
    with pytest.raises(NotSentError):
        made.send(MESSAGES)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_its_host_alone_is_told(
    sender: Any, receiver: Callable[..., Receiver], status: int
) -> None:
    elsewhere = receiver()
    server, made = sender('token = "s3cret"\n')
    to = f"http://127.0.0.1:{elsewhere.port}/latest/meta-data"
    server.answer = lambda _body, _headers: (status, b"", {"Location": to})
    with pytest.raises(NotSentError, match=r"redirects to 127\.0\.0\.1, which is not followed"):
        made.send(MESSAGES)
    assert elsewhere.bodies == []


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 502, 503])
def test_what_is_wrong_with_receiver_or_settings_is_no_fault_of_messages(
    sender: Any, status: int
) -> None:
    server, made = sender()
    server.answer = lambda _body, _headers: (status, b"\x1b[31mno\n" * 200, {})
    with pytest.raises(NotSentError) as failed:
        made.send(MESSAGES)
    assert failed.value.what.startswith(f"{status}: ")
    assert failed.value.what.isprintable()
    assert len(failed.value.what) <= 400


def test_certificate_and_name_are_checked_and_ours_is_shown(
    configured: Configured, receiver: Callable[..., Receiver], tls_files: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls_files / "server.pem", tls_files / "server.key")
    context.load_verify_locations(tls_files / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = receiver(context)

    def send(tls: str, host: str = "127.0.0.1") -> None:
        (output,) = configured(
            f'[outputs.siem]\nkind = "http"\nurl = "https://{host}:{server.port}/"\n'
            f'token = "t"\ntls = {{ {tls} }}\n'
        )
        sender_of(output).send(MESSAGES[:1])

    ca = f'ca = "{tls_files}/ca.pem"'
    ours = f'certificate = "{tls_files}/client.pem", key = "{tls_files}/client.key"'
    with pytest.raises(NotSentError, match="not trusted"):
        send(ours)
    with pytest.raises(NotSentError):
        send(ca)
    with pytest.raises(NotSentError, match="not trusted"):
        send(f"{ca}, {ours}", "localhost")  # the certificate is for the address alone
    assert server.bodies == []
    send(f"{ca}, {ours}")
    assert len(server.bodies) == 1


def test_nobody_listening_is_told_and_no_secret_is_in_what_is_told(configured: Configured) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    (output,) = configured(
        f'[outputs.siem]\nkind = "http"\nurl = "http://127.0.0.1:{port}/in?key=s3cret"\n'
        'token = "s3cret"\n'
    )
    with pytest.raises(NotSentError) as failed:
        sender_of(output).send(MESSAGES)
    assert "refused" in str(failed.value)
    assert "s3cret" not in str(failed.value) + repr(output)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('url = "ftp://x.example/"', "url"),
        ('url = "https://u:p@x.example/"', "keys of their own"),
        ('url = "http://siem.example.org/"\ntoken = "a"', "in the clear"),
        ('url = "https://x.example/"\ntoken = "a"\nuser = "u"\npassword = "p"', "one of token"),
        ('url = "https://x.example/"\nuser = "u"', "a user and a password"),
        ('url = "https://x.example/"\nindex = "i"', "knows none"),
        ('url = "https://x.example/"\npreset = "solr"', "splunk"),
        ('url = "https://x.example/"\nheaders = { Host = "y" }', "another name"),
        ('url = "https://x.example/"\nheaders = { "a b" = "y" }', "another name"),
        ('url = "https://x.example/"\ntls = { certificate = "c.pem" }', "key is missing"),
        ('url = "https://x.example/"\ntoken = { file = "none" }', "cannot be read"),
        ('url = "https://x.example/"\nbatch = 0', "batch"),
        ('url = "https://x.example/"\ncolour = "red"', "means nothing here"),
        ('url = "https://x.example/"\nleast_severity = "bad"', "critical"),
        ('url = "https://x.example/"\nsend = ["events"]', "findings"),
        ('url = "https://x.example/"\nfrom = "yesterday"', "beginning"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_file_line_and_what_was_expected(
    configured: Configured, text: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said) as refused:
        configured(f'[outputs.siem]\nkind = "http"\n{text}\n')
    assert "hauberk.toml, line " in str(refused.value)


@pytest.mark.parametrize("value", ["a\r\nX-Other: b", "a\nb", "é"])
def test_a_secret_that_is_no_line_of_text_makes_no_header(
    configured: Configured, value: str
) -> None:
    (output,) = configured(
        '[outputs.siem]\nkind = "http"\nurl = "https://127.0.0.1:1/"\n'
        f"headers = {{ X-Key = {json.dumps(value)} }}\n"
    )
    with pytest.raises(UsageError, match="no line of text"):
        sender_of(output)
