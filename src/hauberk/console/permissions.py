"""Who may do what in the console: one table, from role to permissions.

A role of the console is no role of a model's board (`hauberk.governance`): those sign statements
with keys of their own, whoever may look at which page.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Permission(StrEnum):
    """What a route needs. Every route names one."""

    PUBLIC = "public"
    """Nothing: what is needed before somebody has signed in."""

    OWN_ACCOUNT = "own account"
    """To be signed in."""

    READ_INCIDENTS = "read incidents"
    READ_EVIDENCE = "read evidence"
    """Raw records, which hold whatever people wrote."""

    WORK_INCIDENTS = "work on incidents"
    """Assign, comment, state."""

    JUDGE_INCIDENTS = "judge incidents"
    """Give a verdict."""

    READ_DETECTIONS = "read detections"
    SUPPRESS = "suppress"
    """Put a suppression of a rule in force, or lift one."""

    HUNT = "hunt"
    """Ask the lake in SQL, which shows all that it holds."""

    READ_MODELS = "read models"
    VOTE_MODELS = "vote on models"
    PROMOTE_MODELS = "promote models"
    """Whose signature counts for either, the registry of models says."""

    ROLL_MODELS = "roll models back"
    """Also revoke them, which takes a signature."""

    SIGN_STATEMENTS = "sign statements on persons"
    """Add and revoke persons' keys, with one's own signature."""

    READ_HEALTH = "read health"
    READ_AUDIT = "read audit"
    READ_PEOPLE = "read people"
    CHANGE_PEOPLE = "change people"
    READ_SETTINGS = "read settings"


class Role(StrEnum):
    """What a person is here. A person may have several roles."""

    VIEWER = "viewer"
    ANALYST = "analyst"
    RESPONDER = "responder"
    APPROVER = "approver"
    MODEL_OWNER = "model_owner"
    RISK_BOARD = "risk_board"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"

    @property
    def words(self) -> str:
        """The role as people write it."""
        return self.value.replace("_", " ")


_READS = frozenset(
    {
        Permission.OWN_ACCOUNT,
        Permission.READ_INCIDENTS,
        Permission.READ_DETECTIONS,
        Permission.READ_MODELS,
        Permission.READ_HEALTH,
    }
)

ROLES: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: _READS,
    Role.ANALYST: _READS
    | {
        Permission.READ_EVIDENCE,
        Permission.WORK_INCIDENTS,
        Permission.JUDGE_INCIDENTS,
        Permission.SUPPRESS,
        Permission.HUNT,
    },
    Role.RESPONDER: _READS
    | {
        Permission.READ_EVIDENCE,
        Permission.WORK_INCIDENTS,
        Permission.HUNT,
        Permission.ROLL_MODELS,
    },
    Role.APPROVER: _READS
    | {Permission.READ_EVIDENCE, Permission.VOTE_MODELS, Permission.SIGN_STATEMENTS},
    Role.MODEL_OWNER: _READS
    | {Permission.PROMOTE_MODELS, Permission.ROLL_MODELS, Permission.SIGN_STATEMENTS},
    Role.RISK_BOARD: _READS
    | {
        Permission.READ_AUDIT,
        Permission.VOTE_MODELS,
        Permission.ROLL_MODELS,
        Permission.SIGN_STATEMENTS,
    },
    Role.ADMINISTRATOR: frozenset(
        {
            Permission.OWN_ACCOUNT,
            Permission.READ_HEALTH,
            Permission.READ_AUDIT,
            Permission.READ_PEOPLE,
            Permission.CHANGE_PEOPLE,
            Permission.READ_SETTINGS,
        }
    ),
    Role.AUDITOR: _READS
    | {
        Permission.READ_EVIDENCE,
        Permission.READ_AUDIT,
        Permission.READ_PEOPLE,
        Permission.READ_SETTINGS,
    },
}
"""Least privilege: who changes people reads no telemetry, who audits changes nothing."""


def permissions_of(roles: Iterable[Role]) -> frozenset[Permission]:
    """What these roles may do together. What nobody needs to be signed in for, all may."""
    return frozenset({Permission.PUBLIC}).union(*(ROLES[role] for role in roles))
