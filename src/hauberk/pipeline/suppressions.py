"""Suppressions as the ledger holds them."""

from hauberk.detect.sigma import Suppression
from hauberk.errors import HomeDamagedError
from hauberk.store import Home

MADE = "rules.suppressed"
LIFTED = "rules.suppression_lifted"
"""Types of ledger entries."""


def suppressions_of(home: Home) -> list[Suppression]:
    """Suppressions that were made and not lifted, oldest first, those that expired as well.

    Raises HomeDamagedError where an entry of the ledger is none.
    """
    made: dict[str, Suppression] = {}
    for entry in home.ledger.entries():
        try:
            if entry.get("type") == MADE:
                one = Suppression.from_entry(entry)
                made[one.uid] = one
            elif entry.get("type") == LIFTED:
                made.pop(str(entry["uid"]), None)
        except (ValueError, KeyError, TypeError) as fault:
            raise HomeDamagedError(
                f"a suppression in the ledger cannot be read: {fault}",
                where=str(home.path),
                hint="Run `hauberk verify`",
            ) from fault
    return list(made.values())
