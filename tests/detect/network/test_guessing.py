import pytest

from hauberk.detect.network import guessing, noise, scans

from .conftest import Capture
from .test_scans import browsing

OUTSIDE, INSIDE, SERVER = "198.41.0.4", "10.0.0.77", "10.0.1.20"
REFUSED = {"traffic.bytes_out": 1_500, "traffic.bytes_in": 2_400, "duration": 1.5}
SESSION = {"traffic.bytes_out": 30_000, "traffic.bytes_in": 120_000, "duration": 300.0}


def judge(rows, state=None):
    return Capture().run(scans.detector(), [Capture().flows(rows)], state)


def told(findings, name):
    return findings.filter(findings["rule_uid"] == f"network.{name}")


def refusals(count, src, port=22, every=2.0, begin=0.0):
    return [(begin + i * every, src, SERVER, port, REFUSED) for i in range(count)]


@pytest.mark.parametrize("source", [INSIDE, OUTSIDE])
@pytest.mark.parametrize("port", [21, 22, 3389])
def test_a_session_after_many_refusals_is_an_entry(source, port):
    rows = [*browsing(), *refusals(60, source, port), (400, source, SERVER, port, SESSION)]
    said = told(judge(rows)[0], "entry")
    assert said["techniques"][0].to_list() == ["T1110", "T1078"]
    assert said["surprise"].min() == pytest.approx(guessing.ENTERED)
    assert len(said["evidence"][0]) > 1


def test_sessions_of_who_was_not_turned_away_are_no_entries():
    rows = [(i * 600, INSIDE, SERVER, 22, SESSION) for i in range(40)]
    assert told(judge([*browsing(), *rows])[0], "entry").is_empty()


def test_who_is_always_turned_away_and_let_in_is_no_news():
    """A backup that asks a hundred times an hour whether it may, and then does."""
    rows = [
        row
        for hour in range(12)
        for row in (
            *refusals(100, INSIDE, every=20.0, begin=hour * 3600.0),
            (hour * 3600 + 2400, INSIDE, SERVER, 22, SESSION),
        )
    ]
    assert told(judge(rows)[0], "entry").height <= 1


def test_slow_guesses_from_the_internet_are_told_softly():
    rows = refusals(150, OUTSIDE, every=300.0)
    said = told(judge([*browsing(), *rows])[0], "slow")
    assert said["techniques"][0].to_list() == ["T1110"]
    assert said["surprise"].min() >= noise.NOISE
    assert said["entities"][0][0] == f"ip:{SERVER}"
    assert told(judge(refusals(150, INSIDE, every=300.0))[0], "slow").is_empty()


def test_an_exposed_service_that_is_guessed_at_every_day_sinks():
    state = None
    days = []
    for day in range(5):
        rows = [
            (day * 86_400 + i * 2 + 3_000 * source, f"198.41.{day}.{source}", SERVER, 22, REFUSED)
            for source in range(20)
            for i in range(200)
        ]
        findings, state = judge(rows, state)
        days.append(findings.filter(findings["surprise"] <= 0.02).height)
    assert days[0] >= 1
    assert days[1:] == [0, 0, 0, 0]


def test_mail_to_many_servers_is_told_and_what_a_mail_server_does_is_not():
    def hour(number, servers):
        return [(number * 3600 + i * 5, INSIDE, f"93.184.{i % 200}.{i // 200}", 25)
                for i in range(servers)]  # fmt: skip

    burst, _ = judge([*browsing(), *hour(0, 300)])
    said = told(burst, "mail")
    assert said["techniques"][0].to_list() == ["T1071.003"]
    assert said["surprise"].min() >= guessing.POOLED
    server = [row for number in range(10) for row in hour(number, 120)]
    later = told(judge(server)[0], "mail")
    assert later.filter(later["time"] > Capture.start.replace(hour=10)).is_empty()
