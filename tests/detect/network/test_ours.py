import random

from hauberk.detect.network import scans
from hauberk.detect.network.flows import flows

from .conftest import UNANSWERED, Capture

EXPOSED, USER = "131.107.4.9", "131.107.4.20"


def noise(count, seed=2):
    """Half the Internet knocks at one public address, each source at a few ports."""
    dice = random.Random(seed)
    return [
        (i * 5, f"185.{dice.randrange(60)}.7.{dice.randrange(9)}", EXPOSED,
         dice.choice([22, 23, 80, 443, 445, 3389, 5060, 8080, 1433, 5900, 6379, 9200]), UNANSWERED)
        for i in range(count)
    ]  # fmt: skip


def browsing(count, seed=3):
    dice = random.Random(seed)
    return [
        (i * 5 + 1, USER, f"93.184.{dice.randrange(40)}.{dice.randrange(1, 200)}", 443)
        for i in range(count)
    ]


def sides(rows):
    capture = Capture()
    return flows(capture.flows(rows), {}).rows


def test_addresses_that_are_exposed_or_browse_are_learned_as_ours():
    rows = sides([*noise(1500), *browsing(1500)])
    late = rows.tail(500)
    assert late.filter(late["dst"] == EXPOSED)["dst_in"].all()
    assert late.filter(late["src"] == USER)["src_in"].all()
    others = late.filter((late["dst"] != EXPOSED) & (late["src"] != USER))
    assert others.is_empty()
    assert not late.filter(late["src"] == USER)["dst_in"].any()
    assert not late.filter(late["dst"] == EXPOSED)["src_in"].any()


def test_a_scanner_and_a_popular_server_are_not_ours():
    scan = [(i, "185.9.9.9", f"131.107.{i % 200}.{i // 200}", 23, UNANSWERED) for i in range(1500)]
    asked = [(i + 0.5, f"131.107.{i % 200}.{i // 200}", "9.9.9.9", 53) for i in range(1500)]
    rows = sides([*scan, *asked])
    assert not rows.filter(rows["src"] == "185.9.9.9")["src_in"].any()
    assert not rows.filter(rows["dst"] == "9.9.9.9")["dst_in"].any()


def test_noise_at_a_public_address_of_ours_becomes_one_story(capture):
    ports = [
        (10_000 + i, f"45.9.{i % 30}.1", EXPOSED, 1000 + i // 30, UNANSWERED) for i in range(3000)
    ]
    findings, _ = capture.run(scans.detector(), [capture.flows([*noise(1500), *ports])])
    assert findings.height <= 12
    assert set(findings["rule_uid"]) == {"network.inbound"}
    assert findings["surprise"].min() >= 0.01


def test_what_is_learned_does_not_depend_on_how_batches_are_cut(capture):
    batch = capture.flows([*noise(700), *browsing(700)])
    whole, after = capture.run(scans.detector(), [batch])
    parts, parts_after = capture.run(
        scans.detector(), capture.cut(batch, [3, 500, 640, 641, 1279, 1280, 1281, 2000])
    )
    assert sorted(whole.rows(), key=str) == sorted(parts.rows(), key=str)
    for name in ("ours", "ours.flows", "ours.done"):
        assert after[name].rows() == parts_after[name].rows()
    assert after["ours"].height == 2
