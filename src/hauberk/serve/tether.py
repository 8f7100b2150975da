"""Runs a command that is told to end when whoever started it dies (Linux: prctl(2)).

Run as a script, by an interpreter that loads nothing else: what is set here outlives `execv`, and
between `fork` and `execv` of a process with threads nothing of Python's may run. Descriptors that
the command is handed stand where sd_listen_fds(3) looks for them: from 3 on.
"""

import ctypes
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
# As in `hauberk.ingest.receivers.keeping`, which this script does not take the time to load.
_FIRST, _KEEPER = 3, "HAUBERK_KEEPER"


def main(parent: int, keeper: int, handed: list[int], command: list[str]) -> None:
    """Become `command`; end at once where the parent has died already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(128 + signal.SIGTERM)
    if keeper >= 0:
        os.environ[_KEEPER] = str(_place(keeper, handed))
    os.execv(command[0], command)  # noqa: S606  # the command is ours, and no shell reads it


def _place(keeper: int, handed: list[int]) -> int:
    """Have the descriptors stand from 3 on, and the socket to the keeper behind them: where."""
    import fcntl  # noqa: PLC0415  # not everywhere

    last = _FIRST + len(handed)
    aside = [fcntl.fcntl(one, fcntl.F_DUPFD, last) for one in (keeper, *handed)]
    for one in (keeper, *handed):
        os.close(one)
    for number, one in enumerate(aside[1:], _FIRST):
        os.dup2(one, number)
        os.close(one)
    os.environ["LISTEN_FDS"], os.environ["LISTEN_PID"] = str(len(handed)), str(os.getpid())
    return aside[0]


if __name__ == "__main__":
    main(
        int(sys.argv[1]),
        int(sys.argv[2]),
        [int(one) for one in sys.argv[3].split(",") if one],
        sys.argv[4:],
    )
