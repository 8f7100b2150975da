"""How seldom a command looks for cycles."""

import subprocess
import sys

ENDING = """
import gc
from hauberk.cli.collecting import collect_seldom
collect_seldom()
kept = [[i] for i in range(60_000)]
print(gc.get_threshold()[0], gc.get_freeze_count())
import atexit
atexit._run_exitfuncs()
print(gc.get_freeze_count() > 60_000)
"""


def test_what_a_command_holds_is_not_looked_through_when_it_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDING], capture_output=True, text=True, check=True
    )
    said = done.stdout.splitlines()
    assert said[0] == "50000 0"
    assert "True" in said
