"""A console: its parts, put together for one home."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from hauberk.store import load_settings

from .accounts import Accounts
from .cases import Cases
from .database import Database, open_database
from .handover import Handover
from .hunts import Hunts
from .measures import Measuring
from .models_reading import ModelRoom
from .models_signing import StatementDesk
from .oidc import Provider
from .passkeys import Passkeys
from .passwords import Cost, Passwords
from .private_files import make_private_folder
from .questions import Questions
from .reading import Reading
from .rulebook import Rulebook
from .sealing import Seal
from .sessions import Sessions
from .settings import read_identity
from .sign_on import SignOn
from .stories import Stories
from .suppressing import Suppressing
from .tokens import Tokens
from .verifying import Verifying

FOLDER = "console"
"""Where in a home the console's keys and certificates lie."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(slots=True)
class Console:
    """What the pages work with. `changes` grows with everything that somebody does."""

    database: Database
    accounts: Accounts
    sessions: Sessions
    cases: Cases
    reading: Reading
    handover: Handover
    verifying: Verifying
    hunts: Hunts
    rulebook: Rulebook
    suppressing: Suppressing
    models: ModelRoom
    signing: StatementDesk
    stories: Stories
    questions: Questions
    measuring: Measuring
    passkeys: Passkeys
    sign_on: SignOn
    tokens: Tokens
    clock: Callable[[], datetime]
    stopping: threading.Event = field(default_factory=threading.Event)
    changes: int = 0

    @classmethod
    def of(
        cls, home: Path, *, clock: Callable[[], datetime] = _now, cost: Cost | None = None
    ) -> "Console":
        """The console of a home that exists. Raises HauberkError."""
        identity = read_identity(load_settings(home).table("identity"))
        folder = make_private_folder(home / FOLDER)
        database = open_database(home)
        hasher = Passwords(cost or Cost())
        reading = Reading(home)
        cases = Cases(database)
        models = ModelRoom(reading, clock)
        seal = Seal.of(folder)
        accounts = Accounts(database, hasher, seal)
        providers = {one.name: Provider(one) for one in identity.providers}
        return cls(
            database,
            accounts,
            Sessions(database, identity.lengths),
            cases,
            reading,
            Handover(database, home, clock),
            Verifying(home, clock),
            Hunts(database, reading, clock),
            Rulebook(home),
            Suppressing(database, home, clock),
            models,
            StatementDesk(database, models, clock),
            Stories(database),
            Questions(database, reading, cases),
            Measuring(home, clock),
            Passkeys(database),
            SignOn(database, accounts, seal, providers),
            Tokens(database),
            clock,
        )

    @property
    def version(self) -> str:
        """What pages show changes with this."""
        return f"{self.reading.index.commit}.{self.changes}"

    def start(self) -> None:
        """Begin to follow the home and to hand acts over."""
        self.reading.start()
        self.handover.start()

    def stop(self) -> None:
        """End both, with what waits handed over if the home is free."""
        self.stopping.set()
        self.reading.stop()
        self.handover.stop()
        self.database.close()
