"""Formats and detectors that fail or hang: they cost themselves, and it is said."""

from collections import Counter
from pathlib import Path

import pytest
from tests.chaos.strangers import detector_that, format_that
from tests.chaos.watching import IMPATIENT, expected, line, lines_of, records, watching, write

from hauberk.store import Home, verify

pytestmark = pytest.mark.slow


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder / "auth.log"


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("fault", ["raises", "loops", "sleeps"])
def test_a_detector_that_fails_or_hangs_holds_up_nobody_and_is_told(
    log: Path, home_path: Path, tmp_path: Path, fault: str, at_once: bool
) -> None:
    write(log, range(20))
    bad = detector_that(tmp_path, fault, at_once=at_once)
    with watching(tmp_path, home_path, log, program=IMPATIENT, environment=bad) as watch:
        watch.start()
        watch.wait(lambda: watch.pace().get("troubles"), "the trouble to be told")
        write(log, range(20, 60))
        watch.wait(lambda: records(home_path) == 60, "what came after")
        watch.wait(
            lambda: (watch.pace().get("round_seconds") or 99) < 60, "a round of all the others"
        )
        (said,) = [one for one in watch.pace()["troubles"] if one.startswith("stranger 1")]
        assert ("KeyError" if fault == "raises" else "has not ended") in said or "set aside" in said
        assert watch.end() == 0
    told = [one for one in watch.said().splitlines() if one.startswith("stranger 1 could not")]
    assert len(told) == 1
    assert lines_of(home_path) == expected(range(60))
    with Home.open(home_path, read_only=True) as home:  # the others have judged it all
        judged = [one.facts["judged"] for one in home.records.commits() if "judged" in one.facts]
        assert judged
        assert home.records.findings().height
    assert verify(home_path).ok


def test_a_round_that_does_not_end_is_said_to_be_stuck_while_records_come_in(
    log: Path, home_path: Path, tmp_path: Path
) -> None:
    write(log, range(20))
    patient = IMPATIENT.replace("b.HANG_SECONDS = b.ENDING_SECONDS = 2.0",
                                "b.HANG_SECONDS, b.ENDING_SECONDS = 3600.0, 1.0")  # fmt: skip
    bad = detector_that(tmp_path, "sleeps")
    with watching(tmp_path, home_path, log, program=patient, environment=bad) as watch:
        watch.start()
        watch.wait(
            lambda: any("stuck" in one for one in watch.pace().get("troubles", ())), "the word"
        )
        write(log, range(20, 60))
        watch.wait(lambda: records(home_path) == 60, "what came after")
        assert watch.end() == 0  # without waiting for the hour
    assert lines_of(home_path) == expected(range(60))
    assert verify(home_path).ok


def test_a_format_that_raises_costs_the_records_that_it_raises_on(
    log: Path, home_path: Path, tmp_path: Path
) -> None:
    bad = format_that(tmp_path, "raises")
    write(log, range(20))
    with watching(tmp_path, home_path, log, environment=bad) as watch:
        watch.start()
        watch.wait(lambda: records(home_path) == 20, "the first records")
        with log.open("a") as file:
            file.write(line(20) + line(21).replace("sshd", "poison") + line(22))
        write(log, range(23, 30))
        watch.wait(lambda: records(home_path) == 30, "what came after")
        watch.wait(lambda: watch.pace().get("troubles"), "the trouble to be told")
        assert watch.end() == 0
    with Home.open(home_path, read_only=True) as home:
        letters = home.records.dead_letters().collect()
    assert letters["bytes"].to_list() == [line(21).replace("sshd", "poison").rstrip("\n").encode()]
    assert "KeyError" in letters["reason"][0]
    assert lines_of(home_path) == expected(range(30)) - Counter([line(21).rstrip("\n")])
    assert verify(home_path).ok


def test_a_format_that_loops_costs_its_file_until_the_next_start_and_no_byte(
    log: Path, home_path: Path, tmp_path: Path
) -> None:
    bad = format_that(tmp_path, "loops", sniff="0.99 if b'web1' in head else 0")
    other = log.with_name("other.log")
    write(log, range(20))
    with watching(tmp_path, home_path, log.parent, program=IMPATIENT, environment=bad) as watch:
        watch.start()
        watch.wait(lambda: records(home_path) == 20, "the first records")
        with log.open("a") as file:
            file.write(line(20).replace("sshd", "poison"))
        watch.wait(lambda: watch.pace().get("troubles"), "the trouble to be told")
        write(log, range(21, 30))
        log.rename(log.with_name("auth.log.1"))  # nor under its new name
        other.write_text("".join(line(n).replace("web1", "web2") for n in range(50)))
        watch.wait(lambda: records(home_path) == 70, "the other file")
        assert "set aside from byte" in watch.pace()["troubles"][0]
        assert watch.pace()["behind"] > 0
        assert watch.end() == 0
        watch.environment = {}  # the package is removed
        watch.start()
        watch.wait(lambda: records(home_path) == 80, "the rest of the file")
        assert watch.end() == 0
    of_log = Counter({text: n for text, n in lines_of(home_path).items() if "web1" in text})
    poisoned = {line(20).rstrip("\n"): line(20).replace("sshd", "poison").rstrip("\n")}
    assert of_log == Counter(poisoned.get(one, one) for one in expected(range(30)))
    assert verify(home_path).ok


def test_a_format_that_raises_when_it_is_asked_is_not_chosen(
    log: Path, home_path: Path, tmp_path: Path
) -> None:
    write(log, range(20))
    bad = format_that(tmp_path, "raises", sniff="1 / 0")
    with watching(tmp_path, home_path, log, environment=bad) as watch:
        watch.start()
        watch.wait(lambda: records(home_path) == 20, "the records")
        assert watch.end() == 0
    assert lines_of(home_path) == expected(range(20))
