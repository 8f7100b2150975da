"""A process that acts on models and dies by SIGKILL at its n-th step: FOLDER N ACT."""

import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

from hauberk.models import Task, promote, read_registry, register, rollback
from hauberk.store import Step

here = Path(__file__).parent
Office: Any = runpy.run_path(str(here / "office.py"))["Office"]
tiny_model: Any = runpy.run_path(str(here / "making.py"))["tiny_model"]


def main() -> None:
    """Act and be killed on the way; print the number of steps when not."""
    folder, left, act = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    taken: list[Step] = []

    def reach(step: Step) -> None:
        taken.append(step)
        if len(taken) == left:
            os.kill(os.getpid(), signal.SIGKILL)

    office = Office.open(folder, reach=reach)
    with office.home:
        if act == "promote":
            version = read_registry(office.home).named("tiny-domains")
            promote(office.home, office.keys["sam"], version)
        elif act == "rollback":
            rollback(office.home, Task.DOMAIN, reason="too loud")
        elif act == "register":
            artifact = tiny_model(folder / "fresh", version="9.0.0")
            register(office.home, artifact.folder, office.keys["ada"])
    print(len(taken))


if __name__ == "__main__":
    main()
