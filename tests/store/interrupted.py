"""A process that commits and dies by SIGKILL at its n-th step: HOME N [compact | retain]."""

import os
import runpy
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from hauberk.store import Home, Kept, Policy, Step

full_commit = runpy.run_path(str(Path(__file__).with_name("commits.py")))["full_commit"]
THEN = datetime(2024, 5, 1, tzinfo=UTC)


def main() -> None:
    """Commit `b`, compact or retain, and be killed on the way; print the steps when not."""
    left = int(sys.argv[2])
    taken: list[Step] = []

    def reach(step: Step) -> None:
        taken.append(step)
        if len(taken) == left:
            os.kill(os.getpid(), signal.SIGKILL)

    with Home.open(Path(sys.argv[1]), clock=lambda: THEN, reach=reach) as home:
        if "compact" in sys.argv:
            home.lake.compact()
        elif "retain" in sys.argv:
            evidence = pl.Series("uid", ["a:3"])
            kept = Kept(evidence, pl.Series("uid", ["f1-a"]), {("rarity", 2)}, ["i-a"])
            home.retain(Policy(30, dead_letters=30, incidents=30), kept)
        else:
            home.commit(full_commit("b"))
    print(len(taken))


if __name__ == "__main__":
    main()
