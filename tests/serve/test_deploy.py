"""What is shipped to run Hauberk as a service fits what the supervisor does."""

import configparser
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

from hauberk.cli.commands import COMMANDS
from hauberk.serve import PARTS
from hauberk.serve.supervising import LAST_GRACE

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = DEPLOY / "hauberk.service"


def seconds(span: str) -> int:
    number, word = re.fullmatch(r"(\d+)(min|s)?", span).groups()  # type: ignore[union-attr]
    return int(number) * (60 if word == "min" else 1)


def test_systemd_finds_nothing_wrong_with_the_unit() -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not on this machine")
    done = subprocess.run([program, "verify", UNIT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_systemd_waits_longer_than_the_parts_may_take_to_end() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.read(UNIT)
    longest = sum(part.grace + LAST_GRACE for part in PARTS)
    assert seconds(unit["Service"]["TimeoutStopSec"]) > longest
    assert unit["Service"]["Type"] == "notify"


def test_the_container_runs_commands_that_there_are_and_not_as_root() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    given = json.loads(re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)[-1])
    command = COMMANDS[given[0]].load(given[0])
    assert isinstance(command, typer.core.TyperCommand)
    assert given[1] in {name for one in command.params for name in one.opts}
    assert json.loads(re.findall(r"HEALTHCHECK.* CMD (\[.*\])", text)[0]) == ["hauberk", "status"]
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE)[-1] == "10001:10001"
