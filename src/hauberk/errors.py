"""The one family of errors that a user may read.

Each says what happened, where, and what to do next. The command line prints exactly that and
exits with the error's code; nothing below the command line prints or exits.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every command, documented in docs/cli.md."""

    OK = 0
    INTERNAL = 1
    USAGE = 2
    UNREADABLE = 3
    HOME_BUSY = 4
    HOME_DAMAGED = 5
    DISK_FULL = 6
    DIFFERENT = 7
    REFUSED = 8
    FAULTY = 9
    INCIDENTS = 10
    UNREACHABLE = 11


class HauberkError(Exception):
    """What happened, where, and what to do.

    `what` is a sentence without a full stop; `where` names a file, line, field or record;
    `hint` says what to do next. `has_lines` is where the lines of `what` mean something.
    """

    exit_code = ExitCode.INTERNAL
    has_lines = False

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. {self.hint}" if self.hint else text


class UsageError(HauberkError):
    """The user asked for something that cannot be."""

    exit_code = ExitCode.USAGE


class UnreadableInputError(HauberkError):
    """An input could not be read at all."""

    exit_code = ExitCode.UNREADABLE


class HomeBusyError(HauberkError):
    """Another process works in this home."""

    exit_code = ExitCode.HOME_BUSY


class HomeDamagedError(HauberkError):
    """The lake, the records or the ledger are not what was written."""

    exit_code = ExitCode.HOME_DAMAGED


class UnreachableError(HauberkError):
    """The database server cannot be reached; nothing committed is lost."""

    exit_code = ExitCode.UNREACHABLE


class DiskFullError(HauberkError):
    """There is no room left to commit; nothing stored is harmed."""

    exit_code = ExitCode.DISK_FULL


class RefusedError(HauberkError):
    """A rule that was agreed on forbids it: a signature, a gate, an approval, a policy."""

    exit_code = ExitCode.REFUSED
