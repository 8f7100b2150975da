"""Hands acts over to the home's ledger, exactly once, whenever the home can be written.

See docs/decisions/0008-acts-wait-in-the-console.md.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import insert, select, update

from hauberk.errors import HauberkError, HomeBusyError
from hauberk.store import Commit, Home

from . import acts
from .database import Database
from .tables import facts

LOOK_SECONDS = 2.0
AT_ONCE = 1000
"""Acts that one commit takes."""

_POSITION = "ledger_position"


@dataclass(frozen=True, slots=True)
class Standing:
    """How the handover stands: acts that wait, and why they do."""

    waiting: int
    reason: str


class Handover:
    """Takes acts from the console's database to the ledger, in their order."""

    def __init__(self, database: Database, home: Path, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._home = home
        self._clock = clock
        self._reason = ""
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Hand over every few seconds from now on."""
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
        """Hand over what waits, if anything does and the home is free. Never raises."""
        try:
            with self._database.read() as connection:
                if not acts.number_waiting(connection):
                    return
            with Home.open(self._home, create=False) as home:
                while self._batch(home):
                    pass
        except HomeBusyError as error:
            self._reason = error.what
        except HauberkError as error:
            self._reason = str(error)
        except Exception as error:  # noqa: BLE001  # shown on pages; the acts are kept
            self._reason = f"{type(error).__name__}: {error}"
        else:
            self._reason = ""

    def _batch(self, home: Home) -> bool:
        """Hand over some acts; whether there may be more.

        The ledger is asked first which of them it has: a process that died after the commit, and
        before it noted so here, has handed them over.
        """
        position = self._position(home)
        with self._database.read() as connection:
            waiting = acts.waiting(connection, AT_ONCE)
        there = {
            str(entry.get("act"))
            for entry in home.ledger.entries(position)
            if str(entry.get("type")).startswith(acts.PREFIX)
        }
        missing = [one for one in waiting if one.uid not in there]
        if missing:
            home.commit(Commit(entries=[one.body for one in missing]))
        with self._database.write() as connection:
            acts.mark_entered(connection, [one.uid for one in waiting], self._clock())
            connection.execute(
                update(facts).where(facts.c.key == _POSITION).values(value=str(home.ledger.size))
            )
        return len(waiting) == AT_ONCE

    def _position(self, home: Home) -> int:
        """From where on the ledger may hold acts that are not marked as entered."""
        with self._database.write() as connection:
            query = select(facts.c.value).where(facts.c.key == _POSITION)
            stored = connection.execute(query).scalar()
            if stored is None:
                # Nothing of this database was ever handed over.
                stored = str(home.ledger.size)
                connection.execute(insert(facts).values(key=_POSITION, value=stored))
        return int(stored)
