"""A sources file says what it can say, and what is wrong with it is told by file, key and wish."""

from pathlib import Path

import pytest

from hauberk.errors import UsageError
from hauberk.ingest.receivers import Kafka, Kind, Nats, Transport, read_sources

GOOD = """
[spool]
megabytes = 64

[[source]]
name = "zeek"
kind = "folder"
path = "."
contract = { formats = ["zeek"], min_per_hour = 10, max_per_hour = 1000, silence = "15m" }

[[source]]
name = "firewall"
kind = "syslog"
transport = "udp"
listen = "0.0.0.0:5514"

[[source]]
name = "web"
kind = "http"
listen = "[::1]:8080"

[[source]]
name = "web-2"
kind = "http"
listen = "[::1]:8080"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "sources.toml"
    path.write_text(text)
    return path


def test_a_whole_file_is_read(tmp_path: Path) -> None:
    found = read_sources(written(tmp_path, GOOD))
    assert [one.kind for one in found.sources] == [Kind.FOLDER, Kind.SYSLOG, Kind.HTTP, Kind.HTTP]
    zeek, firewall, web, _ = found.sources
    assert found.max_spool == 64 << 20
    assert zeek.path == tmp_path
    assert zeek.contract.silence == 900
    assert firewall.transport is Transport.UDP
    assert not firewall.on_loopback
    assert web.where == "http://[::1]:8080"


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ('"firewall"', '"Fire Wall"', "small letters"),
        ('"firewall"', '"hauberk"', "hauberk"),
        ('"firewall"', '"zeek"', "two sources are named zeek"),
        ('kind = "syslog"', 'kind = "mail"', "one of folder, wef, syslog, http, nats, kafka"),
        ('"udp"', '"quic"', "udp, tcp, tls"),
        ('"udp"', '"tls"', "certificate and key"),
        ('"0.0.0.0:5514"', '"5514"', "an address and a port"),
        ('"0.0.0.0:5514"', '"0.0.0.0:99999"', "an address and a port"),
        ('listen = "[::1]:8080"', 'listen = "[::]:8080"', "loopback alone"),
        ('"15m"', '"soon"', "15m"),
        ('["zeek"]', '["zeke"]', "a list of formats out of"),
        ("min_per_hour = 10", "min_per_hour = 2000", "no more than max_per_hour"),
        ("min_per_hour = 10", "min_per_day = 10", "min_per_day means nothing here"),
        ("megabytes = 64", "megabytes = -1", "above 0"),
        ("[[source]]", "[source", "no TOML"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, was: str, becomes: str, said: str) -> None:
    assert was in GOOD
    path = written(tmp_path, GOOD.replace(was, becomes))
    with pytest.raises(UsageError) as told:
        read_sources(path)
    assert said in str(told.value)
    assert "sources.toml" in str(told.value)


def test_http_off_loopback_needs_tls(tmp_path: Path) -> None:
    text = '[[source]]\nname = "w"\nkind = "http"\nlisten = "10.0.0.1:80"\n'
    with pytest.raises(UsageError, match="loopback alone"):
        read_sources(written(tmp_path, text))


def test_a_syslog_and_an_http_source_cannot_share_an_address(tmp_path: Path) -> None:
    text = GOOD.replace('transport = "udp"\nlisten = "0.0.0.0:5514"',
                        'transport = "tcp"\nlisten = "[::1]:8080"')  # fmt: skip
    with pytest.raises(UsageError, match="listen at one address"):
        read_sources(written(tmp_path, text))


BUSES = """
[sources.events]
kind = "nats"
servers = ["tls://nats1.example.org:4222", "tls://[2001:db8::1]:4222"]
stream = "EVENTS"
subject = "logs.>"
format = "suricata"
login = { user = "hauberk", password = "secret" }
tls = { ca = "ca.pem" }

[sources.topics]
kind = "kafka"
brokers = ["kafka1.example.org:9093"]
topics = ["events", "flows"]
in_flight = 2000
sasl = { mechanism = "SCRAM-SHA-512", user = "hauberk", password = "secret" }
tls = {}
contract = { silence = "5m" }

[sources.collector]
kind = "wef"
path = "."
"""


def bus_file(folder: Path, text: str) -> Path:
    (folder / "secret").write_text("x")
    (folder / "ca.pem").write_text("x")
    return written(folder, text)


def test_buses_are_read_by_name(tmp_path: Path) -> None:
    events, topics, collector = read_sources(bus_file(tmp_path, BUSES)).sources
    assert isinstance(events.bus, Nats)
    assert events.bus.durable == "hauberk-events"
    assert events.bus.login.password == tmp_path / "secret"
    assert events.format == "suricata"
    assert events.where == "tls://nats1.example.org:4222/EVENTS"
    assert isinstance(topics.bus, Kafka)
    assert topics.bus.group == "hauberk-topics"
    assert topics.bus.in_flight == 2000
    assert topics.contract.silence == 300
    assert (collector.kind, collector.path) == (Kind.WEF, tmp_path)


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ('stream = "EVENTS"', "", "stream is missing"),
        ('"EVENTS"', '"EV.ENTS"', "letters, digits"),
        ('"logs.>"', '"logs. >"', "a subject such as"),
        ('"suricata"', '"evtx"', "format"),
        ('tls = { ca = "ca.pem" }', "", "in the clear"),
        ('{ ca = "ca.pem" }', '{ ca = "none.pem" }', "there is no file"),
        ('{ ca = "ca.pem" }', '{ certificate = "ca.pem" }', "a certificate and its key"),
        ('user = "hauberk", password = "secret" }\ntls = { ca', 'user = "hauberk" }\ntls = { ca',
         "a user and the file of its password"),
        ('login = {', 'login = { token = "secret",', "more than one way"),
        ('"SCRAM-SHA-512"', '"GSSAPI"', "one of PLAIN, SCRAM-SHA-256"),
        ('["events", "flows"]', '["events", "events"]', "a list of topics"),
        ('["events", "flows"]', "[]", "a list of topics"),
        ('"kafka1.example.org:9093"', '"kafka1"', "a list of brokers"),
        ("in_flight = 2000", "in_flight = 2000000", "at most"),
        ("in_flight = 2000", "offset = 2000", "offset means nothing here"),
        ('kind = "wef"', 'kind = "wef"\nname = "x"', "without a name of its own"),
    ],
)  # fmt: skip
def test_what_is_wrong_of_a_bus_is_told(tmp_path: Path, was: str, becomes: str, said: str) -> None:
    assert was in BUSES
    with pytest.raises(UsageError) as told:
        read_sources(bus_file(tmp_path, BUSES.replace(was, becomes)))
    assert said in str(told.value)
    assert "sources.toml" in str(told.value)


def test_a_plain_password_without_tls_is_for_this_machine_alone(tmp_path: Path) -> None:
    text = BUSES.replace("tls = {}", "").replace("SCRAM-SHA-512", "PLAIN")
    with pytest.raises(UsageError, match="in the clear"):
        read_sources(bus_file(tmp_path, text))
    near = text.replace("kafka1.example.org", "localhost")
    assert len(read_sources(bus_file(tmp_path, near)).sources) == 3
