"""Syslog over real sockets, into Hauberk's own receivers, and as CEF."""

import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reports.outputs.conftest import finding, incident, message

from hauberk.errors import UsageError
from hauberk.ingest.formats.envelope import opened
from hauberk.ingest.receivers import Kind, Receiving, Source, Sources, Tls, Transport
from hauberk.reports.outputs import Filter, NotSentError, Output, sender_of
from hauberk.reports.outputs.cef import cef
from hauberk.reports.outputs.messages import finding_message, incident_message

Configured = Callable[..., list[Output]]


def records(home: Path) -> list[bytes]:
    found = []
    for path in sorted((home / "spool").rglob("*.log")):
        for line in path.read_bytes().split(b"\n")[1:-1]:
            one = opened(line)
            assert one is not None
            found.append(one.sent)
    return found


@pytest.mark.parametrize("transport", ["tcp", "tls", "udp"])
def test_what_is_sent_arrives_in_order_as_rfc_5424(
    configured: Configured, tmp_path: Path, tls_files: Path, transport: str
) -> None:
    tls = Tls(tls_files / "server.pem", tls_files / "server.key", tls_files / "ca.pem")
    source = Source(
        "siem", Kind.SYSLOG, address=("127.0.0.1", 0), transport=Transport(transport),
        tls=tls if transport == "tls" else None,
    )  # fmt: skip
    with Receiving(Sources((source,), 1 << 30), tmp_path) as receiving:
        files = (
            f'tls = {{ ca = "{tls_files}/ca.pem", certificate = "{tls_files}/client.pem", '
            f'key = "{tls_files}/client.key" }}\n'
        )
        (output,) = configured(
            f'[outputs.siem]\nkind = "syslog"\naddress = "127.0.0.1:{receiving.ports["siem"]}"\n'
            f'transport = "{transport}"\nhostname = "hauberk1"\n{files * (transport == "tls")}'
        )
        sender = sender_of(output)
        for at in range(0, 300, 100):
            assert list(sender.send([message(n) for n in range(at, at + 100)])) == []
            if transport == "udp":
                time.sleep(0.1)
        sender.close()
        end = time.monotonic() + 20
        while len(records(tmp_path)) < 300 and time.monotonic() < end:
            time.sleep(0.05)
    found = records(tmp_path)
    assert len(found) == 300
    head = re.compile(rb"<131>1 2026-03-02T10:00:00\.000000Z hauberk1 hauberk \d+ finding - (\{.*)")
    bodies = [head.fullmatch(one) for one in found]
    assert all(bodies)
    uids = [orjson.loads(one[1])["metadata"]["uid"] for one in bodies if one]
    assert uids == [f"id-{n}" for n in range(300)]


def test_a_receiver_that_closes_before_it_has_read_is_noticed(configured: Configured) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def close_one() -> None:
            taken, _ = server.accept()
            taken.close()

        thread = threading.Thread(target=close_one)
        thread.start()
        (output,) = configured(
            f'[outputs.siem]\nkind = "syslog"\naddress = "127.0.0.1:{server.getsockname()[1]}"\n'
            'transport = "tcp"\n'
        )
        sender = sender_of(output)
        sender.check()
        thread.join()
        big = [message(n, data=b"x" * 100_000) for n in range(50)]
        again = threading.Thread(target=close_one)
        again.start()
        with pytest.raises(NotSentError):
            sender.send(big)
        again.join()


def test_a_certificate_of_another_ca_is_refused(
    configured: Configured, tmp_path: Path, tls_files: Path
) -> None:
    tls = Tls(tls_files / "server.pem", tls_files / "server.key", None)
    source = Source("siem", Kind.SYSLOG, address=("127.0.0.1", 0), transport=Transport.TLS, tls=tls)
    with Receiving(Sources((source,), 1 << 30), tmp_path) as receiving:
        (output,) = configured(
            f'[outputs.siem]\nkind = "syslog"\naddress = "127.0.0.1:{receiving.ports["siem"]}"\n'
        )
        with pytest.raises(NotSentError, match="not trusted"):
            sender_of(output).send([message(1)])
    assert records(tmp_path) == []


def test_a_message_that_no_datagram_holds_is_refused_and_the_rest_sent(
    configured: Configured,
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        (output,) = configured(
            f'[outputs.siem]\nkind = "syslog"\naddress = "127.0.0.1:{server.getsockname()[1]}"\n'
            'transport = "udp"\n'
        )
        refused = sender_of(output).send([message(1, data=b"x" * 70_000), message(2)])
        assert [one.message.id for one in refused] == ["id-1"]
        assert b"id-2" in server.recv(65_536)


def test_cef_says_what_ocsf_says() -> None:
    story = incident("i1", title=r"a|b\c=d")
    said = cef(incident_message(story, 0, "digest", Filter())).decode()
    assert said.startswith("CEF:0|Hauberk|Hauberk|")
    assert r"|incident|a\|b\\c=d|8|" in said
    assert "externalId=i1-1-digest " in said
    assert "cfp1Label=probability cfp1=0.75" in said
    assert "src=10.0.0.5 " in said
    assert "cs1=T1490,T1059.001 " in said


@given(st.text(max_size=200), st.text(max_size=50))
def test_no_text_of_telemetry_breaks_out_of_cef(text: str, name: str) -> None:
    row = finding("f1", title=text, message=text, entities=[f"user:{name}"])
    line = cef(finding_message(row, 1, Filter(), {})).decode()
    assert "\n" not in line
    assert "\r" not in line
    # Seven bars that are not escaped part the head; all others are text.
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line.partition("externalId=")[0])) == 7
    keys = re.findall(r"(?<!\\)(?:\\\\)*(?:^|[ |])(\w+)=", line)
    assert keys.count("externalId") == 1
    assert keys.count("duser") <= 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('address = "siem"', "HOST:PORT"),
        ('address = "siem:99999"', "HOST:PORT"),
        ('address = "siem:514"\ntransport = "sctp"', "udp"),
        ('address = "siem:514"\nfacility = "lpr"', "local0"),
        ('address = "siem:514"\ntransport = "udp"\ntls = {}', "no tls"),
        ('address = "siem:514"\nhostname = "a b"', "a host name"),
    ],
)
def test_settings_that_cannot_be_are_refused(configured: Configured, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        configured(f'[outputs.siem]\nkind = "syslog"\n{text}\n')
