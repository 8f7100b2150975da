"""The walk in docs/governance.md prints what it says."""

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "walk_governance.py"


@pytest.mark.slow
def test_every_command_of_the_page_prints_what_the_page_shows() -> None:
    walk = runpy.run_path(str(SCRIPT))
    written = walk["PAGE"].read_text("utf-8")
    made = walk["page"]()
    chance = walk["_CHANCE"]
    assert chance.sub("*", made) == chance.sub("*", written)
