"""Runs the checks, one after the other; none that fails keeps the others from being run."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import datetime
from pathlib import Path

from hauberk.errors import HauberkError
from hauberk.serve.planning import plan_of
from hauberk.serve.status import read_status
from hauberk.store import Home

from . import flow, home, machine
from .interface import Check, Diagnosis, Examined

CHECKS: tuple[Check, ...] = (
    machine.python,
    machine.extras,
    home.settings,
    home.readable,
    home.modes,
    home.holders,
    home.ledger,
    home.database,
    machine.room,
    machine.clock,
    machine.limits,
    flow.port,
    flow.certificate,
    flow.spool,
    flow.dead_letters,
    flow.sources,
    flow.outputs,
    flow.acts,
    machine.datagrams,
    home.rules,
)
"""In the order in which they are told: a line here is all that a new one needs."""


def examine(path: Path, now: datetime, *, deep: bool = False) -> Iterator[Diagnosis]:
    """What the checks find, as they find it. Never raises."""
    path = path.absolute()
    with ExitStack() as stack:
        opened = plan = None
        with suppress(HauberkError):  # told by the check of the home
            opened = stack.enter_context(Home.open(path, read_only=True))
        with suppress(HauberkError):  # told by the check of the settings
            plan = plan_of(path)
        examined = Examined(path, read_status(path), now, opened, plan, deep)
        for check in CHECKS:
            try:
                yield from check(examined)
            except Exception as error:  # noqa: BLE001  # said, and the others are run
                yield home.nothing_known(check.__name__.replace("_", " "), error)
