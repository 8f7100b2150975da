"""Suppressions as the ledger holds them, made on the command line or in the console."""

import json
from collections.abc import Mapping

from hauberk.detect.sigma import Suppression
from hauberk.errors import HomeDamagedError
from hauberk.store import Home

MADE = "rules.suppressed"
LIFTED = "rules.suppression_lifted"
"""Types of ledger entries."""

ACT_MADE = "console.suppressed"
ACT_LIFTED = "console.suppression-lifted"
"""The same as acts: `suppression` is the one as JSON, or the uid of the one that ends."""

CHANGES = frozenset({MADE, LIFTED, ACT_MADE, ACT_LIFTED})
"""Entries after which other suppressions hold."""


def suppressions_of(home: Home) -> list[Suppression]:
    """Suppressions that were made and not lifted, oldest first, those that expired as well.

    Raises HomeDamagedError where an entry of the ledger is none.
    """
    made: dict[str, Suppression] = {}
    for entry in home.ledger.entries():
        try:
            kind = entry.get("type")
            if kind == MADE:
                one = Suppression.from_entry(entry)
                made[one.uid] = one
            elif kind == ACT_MADE and (said := _of_act(entry)):
                made[said.uid] = said
            elif kind in (LIFTED, ACT_LIFTED):
                made.pop(str(entry["uid" if kind == LIFTED else "suppression"]), None)
        except (ValueError, KeyError, TypeError) as fault:
            raise HomeDamagedError(
                f"a suppression in the ledger cannot be read: {fault}",
                where=str(home.path),
                hint="Run `hauberk verify`",
            ) from fault
    return list(made.values())


def _of_act(entry: Mapping[str, object]) -> Suppression | None:
    """The suppression that an act says; None where it says none, so that it hides nothing.

    An act is what somebody sent: one that is malformed must not keep a home from being judged.
    """
    try:
        said = json.loads(str(entry["suppression"]))
        # Who is signed in answers for it, whatever the text says.
        return Suppression.from_entry({**said, "owner": str(entry["by"])})
    except (ValueError, KeyError, TypeError):
        return None
