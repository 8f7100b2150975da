"""A sources file says what it can say, and what is wrong with it is told by file, key and wish."""

from pathlib import Path

import pytest

from hauberk.errors import UsageError
from hauberk.ingest.receivers import Kind, Transport, read_sources

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
        ('kind = "syslog"', 'kind = "mail"', "folder, syslog, http"),
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
