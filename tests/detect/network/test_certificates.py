from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.detect.network import certificates
from hauberk.events import EventClass

from .conftest import START, Capture

HOST, PLACE, CA = "10.0.0.5", "198.41.0.4", "CN=Some Authority,O=Authority"


def shown(rows):
    """Handshakes from (seconds, source, target, name asked for, subject, issuer) tuples."""
    return Capture().batch(
        {
            EventClass.NETWORK_ACTIVITY: [
                {
                    "time": START + timedelta(seconds=at),
                    "metadata.uid": f"s:{number:05}",
                    "activity_id": 1,
                    "app_name": "ssl",
                    "src_endpoint.ip": source,
                    "dst_endpoint.ip": target,
                    "dst_endpoint.port": 443,
                    "tls.sni": name,
                    "tls.certificate.subject": subject,
                    "tls.certificate.issuer": issuer,
                }
                for number, (at, source, target, name, subject, issuer) in enumerate(rows)
            ]
        }
    )


def judge(rows):
    return Capture().run(certificates.detector(), [shown(rows)])[0]


@pytest.mark.parametrize(
    ("name", "subject", "issuer", "p"),
    [
        ("www.example.org", "CN=localhost", CA, certificates.BARE_WORD),
        ("www.example.org", "O=x, CN=server", "CN=other", certificates.BARE_WORD),
        ("www.example.org", "CN=www.example.org", "CN=www.example.org", certificates.SELF_SIGNED),
        (None, "CN=a.b", "CN=a.b", certificates.SELF_SIGNED_UNASKED),
    ],
)
def test_a_certificate_that_nobody_vouches_for_is_told(name, subject, issuer, p):
    findings = judge([(0, HOST, PLACE, name, subject, issuer)])
    assert findings["surprise"].to_list() == [pytest.approx(p)]
    assert findings["techniques"][0].to_list()[0] == "T1573.002"


@pytest.mark.parametrize(
    ("target", "name", "subject", "issuer"),
    [
        (PLACE, "www.example.org", "CN=*.example.org,O=Example", CA),
        (PLACE, "www.example.org", "CN=cdn.example.net,O=Example", CA),
        (PLACE, "www.example.org", "O=Example Trust,OU=No common name", CA),
        (PLACE, None, "CN=server", CA),
        (PLACE, "198.41.0.4", "CN=server", CA),
        (PLACE, "www.example.org", None, None),
        ("10.0.0.9", "nas.example.org", "CN=nas", "CN=nas"),
    ],
)
def test_what_is_vouched_for_or_our_own_says_nothing(target, name, subject, issuer):
    assert judge([(0, HOST, target, name, subject, issuer)]).is_empty()


def test_what_many_sources_meet_at_one_place_is_ordinary():
    rows = [(i, f"10.0.0.{i}", PLACE, None, "CN=a.b", "CN=a.b") for i in range(1, 60)]
    assert judge(rows).height <= 3


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 900), max_size=4))
def test_findings_do_not_depend_on_how_batches_are_cut(cuts):
    rows = [(i * 10, f"10.0.0.{i % 4}", f"198.41.0.{i % 7}", None, "CN=x.y", "CN=x.y")
            for i in range(90)]  # fmt: skip
    capture, batch = Capture(), shown(rows)
    whole, _ = capture.run(certificates.detector(), [batch])
    cut, _ = capture.run(certificates.detector(), capture.cut(batch, cuts))
    assert whole.height
    assert cut.sort("uid").equals(whole.sort("uid"))
