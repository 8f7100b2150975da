"""Incidents: findings that tell one story, ranked (OCSF Incident Finding 2005)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an incident is believed: a sentence, what it rests on, and its weight in bits."""

    text: str
    finding_uid: str
    bits: float


@dataclass(frozen=True, slots=True)
class Link:
    """Two entities that one finding names together."""

    source: str
    target: str
    findings: int


@dataclass(frozen=True, slots=True)
class Incident:
    """One story.

    `probability` is what a person checks: prior odds times the weight of the reasons, whose parts
    are `prior_bits` and `reasons` (all of them, strongest first; their bits plus `prior_bits` plus
    `tactic_bits` are the log2 odds). `findings` are uids in time order; `entities` the most
    telling first; `techniques` the best supported first; `tactics` in ATT&CK order. The uid stays
    with a story from scan to scan; `supersedes` are uids of former incidents that go on in it.
    `context` are those of the findings that stand beside the story and count for nothing.
    `analytics` are the titles of what told it, the strongest first.
    """

    uid: str
    title: str
    probability: float
    prior_bits: float
    tactic_bits: float
    start: datetime
    end: datetime
    entities: Sequence[str]
    techniques: Sequence[str]
    tactics: Sequence[str]
    findings: Sequence[str]
    event_count: int
    reasons: Sequence[Reason]
    links: Sequence[Link]
    narrative: str
    above_budget: bool
    severity_id: int
    supersedes: Sequence[str] = field(default_factory=list)
    context: Sequence[str] = field(default_factory=list)
    analytics: Sequence[str] = field(default_factory=list)
