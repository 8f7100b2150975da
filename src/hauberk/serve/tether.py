"""Runs a command that is told to end when whoever started it dies (Linux: prctl(2)).

Run as a script, by an interpreter that loads nothing else: what is set here outlives `execv`, and
between `fork` and `execv` of a process with threads nothing of Python's may run.
"""

import ctypes
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG


def main(parent: int, command: list[str]) -> None:
    """Become `command`; end at once where the parent has died already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(128 + signal.SIGTERM)
    os.execv(command[0], command)  # noqa: S606  # the command is ours, and no shell reads it


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
