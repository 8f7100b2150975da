"""STIX 2.1 bundles in a folder, a file for each incident and version of it."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hauberk.store import Table

from .cursor import write_private
from .interface import Filter, Message, NotSentError, Refused, Subject
from .kinds import Target
from .stix import MARKINGS, bundle

KEYS = ("folder", "tlp")
FILTER = Filter(findings=False)
BATCH = 50
_SAFE = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class StixFolder:
    """The folder, and how what is in it may be shared."""

    folder: Path
    tlp: str
    notes: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """The folder."""
        return str(self.folder)


def target(table: Table) -> StixFolder:
    """The settings of a STIX output. Raises UsageError."""
    tlp = table.text("tlp", default="amber")
    if tlp not in MARKINGS:
        raise table.wrong("tlp", f"one of {', '.join(MARKINGS)}")
    return StixFolder(table.file_path("folder", "a folder"), tlp)


def sender(target: Target) -> "StixSender":
    """A sender."""
    assert isinstance(target, StixFolder)
    return StixSender(target)


class StixSender:
    """Writes each bundle whole, under a name that is of its message alone."""

    pause = 0.0
    batch = BATCH

    def __init__(self, settings: StixFolder) -> None:
        self._settings = settings

    def send(self, messages: Sequence[Message]) -> Sequence[Refused]:
        """Write them; a test leaves a file that is deleted again."""
        refused = []
        for one in messages:
            path = self._settings.folder / f"{_SAFE.sub('_', one.id)[:200]}.json"
            try:
                if one.subject is Subject.TEST:
                    write_private(path, one.data)
                    path.unlink()
                elif one.incident is not None:
                    made = bundle(one.incident, one.id, datetime.now(UTC), self._settings.tlp)
                    write_private(path, made.encode())
            except OSError as error:
                said = error.strerror or str(error)
                raise NotSentError(said, where=self._settings.where) from error
            except ValueError as error:  # the library's errors are
                refused.append(Refused(one, f"it makes no STIX: {error}"))
        return refused

    def check(self) -> str:
        """See whether files can be written."""
        if not self._settings.folder.is_dir() or not os.access(self._settings.folder, os.W_OK):
            raise NotSentError("it is no folder that can be written", where=self._settings.where)
        return "it can be written"

    def close(self) -> None:
        """Nothing is held."""
