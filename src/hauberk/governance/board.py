"""The AI Risk Board: its decision is computed from signed votes, and never stored.

A vote is a person's signature over the exact artifact, report and policy (by digest), the
conditions, and an expiry. The board grants what a quorum of the risk's tier approves, with every
role that the tier demands, none of them in conflict, none expired, and nobody's rejection
standing. Whoever changes a byte of the artifact, the report or the policy has no vote.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from hauberk.store import Entry

from .authority import Authority, Person, Unfounded, lacking
from .policy import Policy, Quorum, Tier
from .statements import Signature, as_time, is_digest, read_signatures

VOTE = "board.vote"


@dataclass(frozen=True, slots=True)
class Conditions:
    """What an approval demands; None where it demands nothing of that kind."""

    observe_only: bool = False
    max_findings_per_day: int | None = None
    max_canary_share: float | None = None

    def as_json(self) -> dict[str, object]:
        """As a statement holds it: only what is demanded."""
        demanded: dict[str, object] = {}
        if self.observe_only:
            demanded["observe_only"] = True
        for name in ("max_findings_per_day", "max_canary_share"):
            if getattr(self, name) is not None:
                demanded[name] = getattr(self, name)
        return demanded

    def both(self, other: "Conditions") -> "Conditions":
        """The stricter of each."""
        return Conditions(
            self.observe_only or other.observe_only,
            _least(self.max_findings_per_day, other.max_findings_per_day),
            _least(self.max_canary_share, other.max_canary_share),
        )

    def __str__(self) -> str:
        said = ["observe only"] if self.observe_only else []
        if self.max_findings_per_day is not None:
            said.append(f"at most {self.max_findings_per_day} findings a day")
        if self.max_canary_share is not None:
            said.append(f"canary share at most {self.max_canary_share:g}")
        return ", ".join(said) or "none"


def _least(one: Any, other: Any) -> Any:  # numbers or None
    known = [value for value in (one, other) if value is not None]
    return min(known) if known else None


def read_conditions(value: Mapping[str, Any], allowed: Collection[str]) -> Conditions:
    """Conditions of a statement. Raises ValueError for one that the policy does not allow."""
    strange = value.keys() - set(allowed)
    if strange:
        raise ValueError(f"the policy allows no condition {min(strange)}")
    observe = value.get("observe_only", False)
    most, share = value.get("max_findings_per_day"), value.get("max_canary_share")
    if not isinstance(observe, bool):
        raise ValueError("observe_only is true or false")
    if most is not None and (not isinstance(most, int) or isinstance(most, bool) or most < 0):
        raise ValueError("max_findings_per_day is a whole number")
    if share is not None and (
        not isinstance(share, int | float) or isinstance(share, bool) or not 0 < share <= 1
    ):
        raise ValueError("max_canary_share lies above 0 and up to 1")
    return Conditions(observe, most, None if share is None else float(share))


@dataclass(frozen=True, slots=True)
class Vote:
    """What a person decided on an exact artifact, report and policy, in the roles of that time."""

    position: int
    person: str
    roles: frozenset[str]
    approves: bool
    artifact: str
    report: str
    policy: str
    conditions: Conditions
    at: datetime
    expires: datetime
    comment: str
    signature: Signature


def read_vote(authority: Authority, entry: Entry) -> Vote:
    """A vote of the ledger whose one signature holds. Raises Unfounded or ValueError."""
    statement = authority.statement(entry)
    signers, signatures = authority.signers(entry), read_signatures(entry.body)
    if len(signers) != 1 or signers[0].name != statement["person"]:
        raise Unfounded("a vote bears one signature, of the person who votes")
    policy = authority.was_in_force(statement["policy"])
    if policy is None or policy.digest != authority.policy.digest:
        raise Unfounded("it was given under another policy than the one in force")
    at, expires = entry.time, as_time(statement["expires"])
    if not at < expires <= at + timedelta(days=policy.approval_days):
        raise Unfounded(f"it lasts longer than the {policy.approval_days} days of the policy")
    if statement["decision"] not in ("approve", "reject"):
        raise ValueError("it neither approves nor rejects")
    for name in ("artifact", "report"):
        if not is_digest(statement[name]):
            raise ValueError(f"its {name} is no digest")
    return Vote(
        position=entry.position,
        person=signers[0].name,
        roles=signers[0].roles,
        approves=statement["decision"] == "approve",
        artifact=statement["artifact"],
        report=statement["report"],
        policy=statement["policy"],
        conditions=read_conditions(statement["conditions"], policy.conditions),
        at=at,
        expires=expires,
        comment=str(statement.get("comment", "")),
        signature=signatures[0],
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """What the board says at one time, and what that follows from.

    `counted` are the votes that made it, `passed_over` those that do not count and why,
    `missing` what a grant lacks. `expires` is when the grant ends unless somebody votes anew.
    """

    granted: bool
    tier: Tier
    counted: tuple[Vote, ...]
    passed_over: tuple[tuple[Vote, str], ...]
    rejected_by: tuple[Vote, ...]
    missing: tuple[str, ...]
    conditions: Conditions
    expires: datetime | None

    @property
    def persons(self) -> tuple[str, ...]:
        """Who approved."""
        return tuple(vote.person for vote in self.counted)

    def __str__(self) -> str:
        if self.granted:
            return f"granted by {', '.join(self.persons)} (tier {self.tier.name})"
        if self.rejected_by:
            names = ", ".join(vote.person for vote in self.rejected_by)
            return f"rejected by {names} (tier {self.tier.name})"
        return f"not granted (tier {self.tier.name}): lacks {', '.join(self.missing)}"


def decide(
    authority: Authority,
    policy: Policy,
    tier: Tier,
    *,
    artifact: str,
    report: str,
    votes: Sequence[Vote],
    conflicts: Mapping[str, str],
    now: datetime,
) -> Decision:
    """The board's decision on one artifact under one policy at one time.

    `conflicts` are persons who have no vote, and what relation they stand in. Of a person's votes
    the last counts, so that a rejection is withdrawn by an approval and the other way round.
    """
    last: dict[str, Vote] = {}
    passed_over: list[tuple[Vote, str]] = []
    for vote in sorted(votes, key=lambda one: one.position):
        reason = _no_vote(authority, policy, vote, artifact, report, conflicts, now)
        if reason is None:
            last[vote.person] = vote
        else:
            passed_over.append((vote, reason))
    approvals = tuple(vote for vote in last.values() if vote.approves)
    rejections = tuple(vote for vote in last.values() if not vote.approves)
    wanted = Quorum(tier.quorum, tier.roles)
    missing = lacking(_voters(authority, approvals), wanted)
    conditions = Conditions()
    for vote in approvals:
        conditions = conditions.both(vote.conditions)
    granted = not missing and not rejections
    return Decision(
        granted=granted,
        tier=tier,
        counted=approvals,
        passed_over=tuple(passed_over),
        rejected_by=rejections,
        missing=tuple(missing),
        conditions=conditions,
        expires=_expiry(authority, wanted, approvals) if granted else None,
    )


def _no_vote(
    authority: Authority,
    policy: Policy,
    vote: Vote,
    artifact: str,
    report: str,
    conflicts: Mapping[str, str],
    now: datetime,
) -> str | None:
    """Why a vote does not count; None where it does."""
    for noun, was, wanted in (
        ("artifact", vote.artifact, artifact),
        ("report", vote.report, report),
        ("policy", vote.policy, policy.digest),
    ):
        if was != wanted:
            return f"it was given for another {noun} ({was[:12]}, not {wanted[:12]})"
    if vote.expires <= now:
        return f"it expired at {vote.expires:%Y-%m-%d %H:%M}"
    if vote.person in conflicts:
        return f"conflict of interest: {vote.person} is {conflicts[vote.person]} of this model"
    return authority.void(vote.signature, vote.at)


def _voters(authority: Authority, votes: Sequence[Vote]) -> list[Person]:
    """Who voted, in the roles that they voted in: a vote stands when its person moves on."""
    return [replace(authority.people[vote.person], roles=vote.roles) for vote in votes]


def _expiry(authority: Authority, wanted: Quorum, approvals: Sequence[Vote]) -> datetime | None:
    """When, with no further vote, the quorum is no longer met."""
    for at in sorted(vote.expires for vote in approvals):
        standing = [vote for vote in approvals if vote.expires > at]
        if lacking(_voters(authority, standing), wanted):
            return at
    return None
