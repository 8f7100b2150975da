"""What a home can do without some of its private keys, and what is left where they are lost."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

READ_ONLY = (
    "No private keys are in this backup. The home made of it can be read (show, hunt, verify) and"
    " not written (scan, watch, up) until they are put back"
)

_MEANINGS = (
    (
        "keys/ledger.pem",
        "signs what is committed; lost, this home stays as it is: begin another for what comes",
    ),
    (
        "keys/inbox-*.key",
        "seals what waits to be committed; lost, another is made, and what waits is refused",
    ),
    (
        "keys/pseudonyms.key",
        "gives analysts their names in exported labels; lost, they get others from then on",
    ),
    (
        "console/secrets.key",
        "opens what people sign in with; lost, no app's code fits: single sign-on and passkeys do",
    ),
    (
        "console/server.key",
        "is the console's in TLS; lost, remove console/server.pem: the console's CA signs another",
    ),
    (
        "console/ca.key",
        "signs that certificate; lost, remove console/ca.pem too: browsers must trust another CA",
    ),
)


def without(names: Iterable[str]) -> list[str]:
    """A line for each missing key, the most needed first: its name, what it does, and if lost."""
    found = []
    for name in names:
        at, meaning = next(
            (
                (at, meaning)
                for at, (pattern, meaning) in enumerate(_MEANINGS)
                if fnmatchcase(name, pattern)
            ),
            (len(_MEANINGS), "is a private key"),
        )
        found.append((at, name, f"{name} {meaning}"))
    return [line for _, _, line in sorted(found)]
