import random
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.detect.network import dns, names
from hauberk.events import FINDING_SCHEMA, EventClass

from .conftest import START, Capture

HOST = "10.0.0.5"
WORDS = (
    "alpine", "garden", "market", "weather", "station", "silver", "river", "mountain", "coffee",
    "bakery", "travel", "photo", "city", "northern", "quiet", "journal", "health", "finance",
    "music", "sport", "recipe", "school", "museum", "theatre", "window",
)  # fmt: skip


def asked(rows):
    """DNS events from (seconds, source, name, code, type) tuples."""
    return Capture().batch(
        {
            EventClass.DNS_ACTIVITY: [
                {
                    "time": START + timedelta(seconds=at),
                    "metadata.uid": f"d:{number}",
                    "activity_id": 6,
                    "src_endpoint.ip": src,
                    "dst_endpoint.port": 53,
                    "query.hostname": name,
                    "query.type": kind,
                    "rcode": code,
                }
                for number, (at, src, name, code, kind) in enumerate(rows)
            ]
        }
    )


def judge(rows, state=None):
    return Capture().run(dns.detector(), [asked(rows)], state)


def drawn(count, seed=1, length=12):
    dice = random.Random(seed)
    return ["".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=length)) for _ in range(count)]


def ordinary(hours=8, hosts=8, seed=4):
    dice = random.Random(seed)
    rows = []
    for _ in range(hours * hosts * 60):
        name = f"{dice.choice(WORDS)}{dice.choice(WORDS)}.{dice.choice(['com', 'org', 'co.uk'])}"
        if dice.random() < 0.3:
            name = f"{dice.choice(['www', 'cdn', 'img', 'api', 'static'])}.{name}"
        code = "NXDOMAIN" if dice.random() < 0.02 else "NOERROR"
        rows.append(
            (dice.uniform(0, hours * 3600), f"10.0.0.{20 + dice.randrange(hosts)}", name, code, "A")
        )
    return rows


def test_generated_domains_that_do_not_exist_are_told_a_host():
    rows = [(i * 5, HOST, f"{name}.com", "NXDOMAIN", "A") for i, name in enumerate(drawn(150))]
    findings, _ = judge([*ordinary(), *rows])
    said = findings.filter(pl.col("rule_uid") == "network.generated").sort("surprise")
    assert findings.schema == FINDING_SCHEMA
    assert said["techniques"][0].to_list() == ["T1568.002"]
    assert said["entities"][0].to_list() == [f"ip:{HOST}"]
    assert said["surprise"][0] < 1e-4
    assert "128 domains that do not exist" in said["message"][0]


def test_generated_domains_that_somebody_registered_are_told_too():
    rows = [(i * 5, HOST, f"{name}.net", "NOERROR", "A") for i, name in enumerate(drawn(100))]
    findings, _ = judge([*ordinary(), *rows])
    assert "network.made-up" in set(findings["rule_uid"])


def test_data_in_names_is_told_with_its_domain():
    rows = [
        (i * 2, HOST, f"{chunk}.t.exfil-example.org", "NOERROR", "TXT")
        for i, chunk in enumerate(drawn(400, length=45))
    ]
    findings, _ = judge([*ordinary(), *rows])
    said = findings.filter(pl.col("rule_uid") == "network.tunnel").sort("surprise")
    assert said["techniques"][0].to_list()[0] == "T1071.004"
    assert said["entities"][0].to_list() == [f"ip:{HOST}", "domain:exfil-example.org"]
    assert said["surprise"][0] < 1e-3


def test_ordinary_queries_say_nothing():
    assert judge(ordinary())[0].is_empty()


def test_local_and_reverse_names_count_for_nothing():
    rows = [(i, HOST, f"{name}.corp.local", "NXDOMAIN", "A") for i, name in enumerate(drawn(200))]
    rows += [(i, HOST, f"{i % 250}.{i}.0.10.in-addr.arpa", "NXDOMAIN", "PTR") for i in range(200)]
    rows += [(i, HOST, name, "NXDOMAIN", "A") for i, name in enumerate(drawn(200, seed=2))]
    assert judge(rows)[0].is_empty()


@pytest.mark.parametrize(
    ("name", "domain", "sub"),
    [
        ("www.example.com", "example.com", "www"),
        ("Example.COM.", "example.com", ""),
        ("a.b.example.co.uk", "example.co.uk", "a.b"),
        ("example.com.br", "example.com.br", ""),
    ],
)
def test_the_registered_domain_is_told_from_what_stands_before_it(name, domain, sub):
    assert names.split_names(pl.Series([name])).row(0)[:3] == (name, domain, sub)


def test_words_do_not_look_made_up_and_drawn_letters_do():
    words = pl.Series([first + second for first in WORDS for second in WORDS])
    assert names.looks_made_up(words).mean() < 0.05
    assert names.looks_made_up(pl.Series(drawn(2000))).mean() > 0.9
    assert not names.looks_made_up(pl.Series(["qzx", "", "bücher-und-mehr"])).any()


@given(st.lists(st.text(max_size=80), max_size=30))
@settings(max_examples=50, deadline=None)
def test_no_name_raises(texts):
    findings, _ = judge([(i, HOST, text, text, text) for i, text in enumerate(texts)])
    assert findings.schema == FINDING_SCHEMA


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 2), st.booleans(), st.integers(0, 30)),
        min_size=1,
        max_size=200,
    ),
    st.lists(st.integers(0, 8000), max_size=4),
)
@settings(max_examples=20, deadline=None)
def test_findings_and_state_do_not_depend_on_how_batches_are_cut(steps, edges):
    pool = drawn(31, seed=5)
    at, rows = 0, []
    for step, host, gone, pick in steps:
        at += step
        rows.append((at, f"10.0.0.{host}", f"x{pick}.{pool[pick]}.com",
                     "NXDOMAIN" if gone else "NOERROR", "A"))  # fmt: skip
    batch, capture = asked(rows), Capture()
    whole, after = capture.run(dns.detector(), [batch])
    parts, parts_after = capture.run(dns.detector(), capture.cut(batch, edges))
    assert sorted(whole.rows(), key=str) == sorted(parts.rows(), key=str)
    for name, frame in after.items():
        assert sorted(frame.rows(), key=str) == sorted(parts_after[name].rows(), key=str), name
