"""Suppressions of a home: tried on its history before they hold, kept in its ledger."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from hauberk.detect.sigma import Rule, RuleSet, Suppression, Suppressions
from hauberk.errors import UsageError
from hauberk.events import FindingKind
from hauberk.store import Commit, Home
from hauberk.triage import Incident

from .hunting import hunt
from .incidents import load_incident
from .interface import Progress
from .suppressions import LIFTED, MADE, suppressions_of

MAX_DAYS = 366
"""Days that a suppression may last; what is wanted for longer is a matter for the rule."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What a suppression would have hidden of the home's history.

    `hidden` and `kept` count firings of the rule; `incidents` are those that rest on a hidden one.
    """

    suppression: Suppression
    rule: Rule
    hidden: int
    kept: int
    places: Sequence[str]
    incidents: Sequence[Incident]

    def as_json(self) -> dict[str, object]:
        """The trial for machines."""
        return {
            "suppression": self.suppression.as_entry(),
            "hidden": self.hidden,
            "kept": self.kept,
            "places": list(self.places),
            "incidents": [
                {"uid": one.uid, "title": one.title, "probability": one.probability}
                for one in self.incidents
            ],
        }


def draft(  # a suppression is what these say of it
    rule: Rule,
    detection: Mapping[str, object],
    *,
    owner: str,
    reason: str,
    since: datetime | None,
    until: datetime,
    hours: tuple[int, int] | None = None,
) -> Suppression:
    """A suppression that is not in force yet. `since` None is the beginning of time.

    Raises UsageError where nobody answers for it, it has no reason, lasts too long, or its
    detection cannot be compiled.
    """
    if not owner.strip() or not reason.strip():
        raise UsageError("a suppression needs an owner and a reason", where="--owner, --reason")
    if until > datetime.now(UTC) + timedelta(days=MAX_DAYS):
        raise UsageError(
            f"a suppression lasts {MAX_DAYS} days at most",
            where="--expires",
            hint="What is wanted for longer is a matter for the rule, or for a Sigma filter",
        )
    since = since or datetime(1, 1, 1, tzinfo=UTC)
    if since >= until:
        raise UsageError("it ends before it begins", where="--from, --expires")
    made = Suppression(
        secrets.token_hex(6), rule.uid, detection, since, until, owner, reason, hours
    )
    made.check()
    return made


def tried(
    home_path: Path, rules: RuleSet, suppression: Suppression, progress: Progress | None = None
) -> Trial:
    """Replay the rule with the suppression over everything that the home keeps."""
    alone = rules.only({suppression.rule})
    found = hunt(home_path, alone, progress=progress, suppressions=Suppressions([suppression]))
    silenced = pl.col("kind") == FindingKind.SUPPRESSED
    hidden = found.findings.filter(silenced)
    events = set(hidden["evidence"].explode().to_list())
    with Home.open(home_path, read_only=True) as home:
        findings = home.records.findings().filter(pl.col("rule_uid") == suppression.rule)
        touched = {
            str(uid)
            for uid, evidence in findings.select("uid", "evidence").iter_rows()
            if events.intersection(evidence)
        }
        incidents = [load_incident(one) for one in home.records.incidents()]
    return Trial(
        suppression,
        alone.rules[0],
        hidden=int(hidden["count"].sum()),
        kept=int(found.findings.filter(~silenced)["count"].sum()),
        places=hidden["entities"].list.first().drop_nulls().unique().sort().to_list(),
        incidents=[one for one in incidents if touched.intersection(one.findings)],
    )


def suppress(home_path: Path, suppression: Suppression) -> None:
    """Put a suppression in force: scans to come tell its firings as suppressed."""
    entry = {"type": MADE, **suppression.as_entry(), "made": datetime.now(UTC).isoformat()}
    with Home.open(home_path, create=False) as home:
        home.commit(Commit(entries=[entry]))


def lift(home_path: Path, reference: str, owner: str, reason: str) -> Suppression:
    """End a suppression, named by its uid or the start of it. Raises UsageError where none is."""
    with Home.open(home_path, create=False) as home:
        found = [one for one in suppressions_of(home) if one.uid.startswith(reference)]
        if len(found) != 1:
            raise UsageError(
                f"{len(found)} suppressions begin with {reference!r}",
                hint="`hauberk rules suppressions` lists them",
            )
        entry = {"type": LIFTED, "uid": found[0].uid, "owner": owner, "reason": reason}
        home.commit(Commit(entries=[{**entry, "made": datetime.now(UTC).isoformat()}]))
    return found[0]


def list_suppressions(home_path: Path) -> list[tuple[Suppression, int]]:
    """Suppressions of a home with the number of firings that each has hidden."""
    with Home.open(home_path, read_only=True) as home:
        made = suppressions_of(home)
        findings = home.records.findings().filter(pl.col("kind") == FindingKind.SUPPRESSED)
    hidden = dict(
        findings.select(pl.col("reasons").list.last().struct.field("value").alias("uid"), "count")
        .group_by("uid")
        .agg(pl.col("count").sum())
        .iter_rows()
    )
    return [(one, int(hidden.get(one.uid, 0))) for one in made]
