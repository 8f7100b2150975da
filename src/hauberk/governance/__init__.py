"""Floor 2: who may do what, by which policy, and with whose signature.

Persons, roles, keys and the policy are folded from signed entries of the ledger; the board's
decision and a model's risk are computed from evidence each time that they are asked for.
"""

from .acts import (
    add_key,
    add_person,
    adopt_policy,
    give_roles,
    remove_person,
    revoke_key,
)
from .authority import PREFIXES, Authority, Fault, Person, PublicKey, Unfounded, encoded, lacking
from .board import VOTE, Conditions, Decision, Vote, decide, read_conditions, read_vote
from .keys import (
    PersonalKey,
    key_id,
    load_key,
    make_key,
    read_private,
    read_public,
    write_private,
)
from .policy import (
    Capability,
    Drift,
    GateBound,
    Policy,
    PolicyError,
    Quorum,
    Rollout,
    Tier,
    default_policy,
    read_policy,
)
from .risk import Axis, Risk, Term, assess
from .statements import Signature, as_text, as_time, entry, holds, message, read_signatures

__all__ = [
    "PREFIXES",
    "VOTE",
    "Authority",
    "Axis",
    "Capability",
    "Conditions",
    "Decision",
    "Drift",
    "Fault",
    "GateBound",
    "Person",
    "PersonalKey",
    "Policy",
    "PolicyError",
    "PublicKey",
    "Quorum",
    "Risk",
    "Rollout",
    "Signature",
    "Term",
    "Tier",
    "Unfounded",
    "Vote",
    "add_key",
    "add_person",
    "adopt_policy",
    "as_text",
    "as_time",
    "assess",
    "decide",
    "default_policy",
    "encoded",
    "entry",
    "give_roles",
    "holds",
    "key_id",
    "lacking",
    "load_key",
    "make_key",
    "message",
    "read_conditions",
    "read_policy",
    "read_private",
    "read_public",
    "read_signatures",
    "read_vote",
    "remove_person",
    "revoke_key",
    "write_private",
]
