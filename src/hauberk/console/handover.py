"""Hands acts over to the home, exactly once: into its inbox, and where it is free into the ledger.

Whoever writes the home (a watch, a scan) takes them from the inbox; this notes that they did.

See docs/decisions/0008-acts-wait-in-the-console.md.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import insert, select, update

from hauberk.errors import HauberkError, HomeBusyError
from hauberk.events import act_record
from hauberk.pipeline import take_waiting
from hauberk.store import Home, Inbox

from . import acts
from .database import Database
from .tables import facts

LOOK_SECONDS = 0.5
AT_ONCE = 1000
"""Acts that are handed over at once."""

WRITER = "console"
"""Name of the console's part of the inbox."""

_POSITION = "ledger_position"


@dataclass(frozen=True, slots=True)
class Standing:
    """How the handover stands: acts that wait, and why they do."""

    waiting: int
    reason: str


class Handover:
    """Takes acts from the console's database to the home, in their order."""

    def __init__(self, database: Database, home: Path, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._home = home
        self._inbox = Inbox(home, WRITER)
        self._clock = clock
        self._reason = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Hand over from now on, as acts come."""
        self._thread = threading.Thread(target=self._work, name="handover", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Hand over once more, and then no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=30)
            self.hand_over()

    def standing(self) -> Standing:
        """How it stands now."""
        with self._database.read() as connection:
            waiting = acts.number_waiting(connection)
        return Standing(waiting, self._reason if waiting else "")

    def _work(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.hand_over()

    def hand_over(self) -> None:
        """Leave what waits in the inbox, and take it if the home is free. Never raises."""
        try:
            while self._batch():
                pass
        except HomeBusyError as error:
            self._reason = error.what
        except HauberkError as error:
            self._reason = str(error)
        except Exception as error:  # noqa: BLE001  # shown on pages; the acts are kept
            self._reason = f"{type(error).__name__}: {error}"
        else:
            self._reason = ""

    def _batch(self) -> bool:
        """Hand over some acts; whether there may be more.

        What lies in the inbox is looked at before the ledger: an act that is taken in between is
        seen in either, and none is left a second time.
        """
        with self._database.read() as connection:
            waiting = acts.waiting(connection, AT_ONCE)
        if not waiting:
            return False
        lying = {_act_of(one.get("entry")) for one in self._inbox.waiting()}
        self._note_entered()
        with self._database.read() as connection:
            waiting = acts.waiting(connection, AT_ONCE)
        missing = [act_record(one.body) for one in waiting if one.uid not in lying]
        if missing:
            self._inbox.append(missing)
        try:
            with Home.open(self._home, create=False, clock=self._clock) as home:
                take_waiting(home)
        finally:
            self._note_entered()
        return len(waiting) == AT_ONCE

    def _note_entered(self) -> None:
        """Mark the acts that the ledger has."""
        with Home.open(self._home, read_only=True) as home:
            size = home.ledger.size
            position = self._position(size)
            there = [
                _act_of(entry)
                for entry in home.ledger.entries(position, size)
                if str(entry.get("type")).startswith(acts.PREFIX)
            ]
        with self._database.write() as connection:
            acts.mark_entered(connection, there, self._clock())
            connection.execute(
                update(facts).where(facts.c.key == _POSITION).values(value=str(size))
            )

    def _position(self, size: int) -> int:
        """From where on the ledger may hold acts that are not marked as entered."""
        with self._database.write() as connection:
            query = select(facts.c.value).where(facts.c.key == _POSITION)
            stored = connection.execute(query).scalar()
            if stored is None:
                # Nothing of this database was ever handed over.
                stored = str(size)
                connection.execute(insert(facts).values(key=_POSITION, value=stored))
        return int(stored)


def _act_of(entry: object) -> str:
    return str(entry.get("act")) if isinstance(entry, dict) else ""
