"""The policy: a reviewed file that says who decides what, on which evidence, and for how long.

`policy.toml` beside this file is the policy where no other was adopted. A policy is known by the
SHA-256 of its text; its text stands in the ledger, and its change is signed as the policy before
it demands.
"""

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from functools import cache
from importlib import resources
from typing import Any

from hauberk.errors import RefusedError

MAX_POLICY = 1 << 20
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
RELATIONS = ("owner", "trainer", "signer")
CONDITIONS = ("observe_only", "max_findings_per_day", "max_canary_share")
HARMS = ("error", "flagged", "false_positive", "slow")


class PolicyError(RefusedError):
    """A policy file that says something else than a policy can; names the field."""


@dataclass(frozen=True, slots=True)
class Tier:
    """Whose votes a risk demands: `quorum` persons, among them one of each role."""

    name: str
    risk_at_most: float
    quorum: int
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GateBound:
    """A gate that must have passed; with `measure`, also within a bound of the policy's own.

    `use` says which number of the interval the bound is held against: value, low or high.
    """

    name: str
    measure: str | None
    use: str
    at_least: float | None
    at_most: float | None
    tasks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Capability:
    """What a task's models see and can do, 0 to 4 each, and why the board says so."""

    exposure: float
    intelligence: float
    confidentiality: float
    integrity: float
    availability: float
    privacy: float
    why: str


@dataclass(frozen=True, slots=True)
class Quorum:
    """So many different persons, among them one of each role."""

    quorum: int
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rollout:
    """How a canary is judged: share of entities, chance of a false alarm, tolerated excess.

    It is good once, of every rate, an excess of what is tolerated and `margin` is refuted.
    """

    canary_share: float
    min_entities: int
    must_be_good: bool
    margin: float
    alpha: float
    harm: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Drift:
    """Distances from the reference at which a model counts as drifted."""

    input_ks: float
    output_ks: float
    calibration: float
    error_rate: float
    latency_ms_p99: float
    estimated_loss: float
    verdict_loss: float
    min_samples: int


@dataclass(frozen=True, slots=True)
class Policy:
    """A whole policy; `text` is the reviewed file itself, `digest` its SHA-256."""

    text: str
    digest: str
    name: str
    roles: tuple[str, ...]
    people_changed_by: tuple[str, ...]
    change: Quorum
    keys_trusted_by: tuple[str, ...]
    key_days: int
    approval_days: int
    conflict: tuple[str, ...]
    recheck_live: bool
    conditions: tuple[str, ...]
    promoted_by: tuple[str, ...]
    promotion_days: tuple[str, ...]
    promotion_from: time
    promotion_until: time
    rollout: Rollout
    drift: Drift
    tiers: tuple[Tier, ...]
    gates: tuple[GateBound, ...]
    capabilities: Mapping[str, Capability]

    def tier(self, risk: float) -> Tier:
        """The tier of a risk score; the last where it exceeds them all."""
        return next((tier for tier in self.tiers if risk <= tier.risk_at_most), self.tiers[-1])

    def gates_for(self, task: str) -> tuple[GateBound, ...]:
        """The gates that a task's models must hold."""
        return tuple(gate for gate in self.gates if not gate.tasks or task in gate.tasks)

    def promotes_at(self, when: datetime) -> bool:
        """Whether promotions are allowed at this time."""
        at = when.astimezone(UTC)
        inside = self.promotion_from <= at.time() < self.promotion_until
        return DAYS[at.weekday()] in self.promotion_days and inside


@cache
def default_policy() -> Policy:
    """The policy that ships."""
    return read_policy(resources.files(__package__).joinpath("policy.toml").read_text("utf-8"))


def read_policy(text: str) -> Policy:
    """Read a policy. Raises PolicyError naming the field."""
    if len(text) > MAX_POLICY:
        raise PolicyError(f"the policy is larger than {MAX_POLICY:,} characters")
    try:
        top = _Table(tomllib.loads(text), "")
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise PolicyError(f"the policy is no TOML: {error}") from error
    if top.number("schema_version") != 1:
        raise PolicyError("expected 1", where="schema_version")
    roles = top.texts("roles")
    people, change, signing = top.table("people"), top.table("change"), top.table("signing")
    approval, conditions = top.table("approval"), top.table("conditions")
    promotion = top.table("promotion")
    policy = Policy(
        text=text,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        name=top.text("name"),
        roles=roles,
        people_changed_by=people.among("changed_by", roles),
        change=Quorum(change.count("quorum"), change.among("roles", roles)),
        keys_trusted_by=signing.among("trusted_by", roles),
        key_days=signing.count("days"),
        approval_days=approval.count("days"),
        conflict=approval.among("conflict", RELATIONS, empty=True),
        recheck_live=approval.flag("recheck_live"),
        conditions=conditions.among("allowed", CONDITIONS, empty=True),
        promoted_by=promotion.among("by", roles),
        promotion_days=promotion.among("days", DAYS),
        promotion_from=promotion.clock("from"),
        promotion_until=promotion.clock("until"),
        rollout=_rollout(top.table("rollout")),
        drift=_drift(top.table("drift")),
        tiers=_tiers(top, roles),
        gates=tuple(_gate(one) for one in top.tables("gate")),
        capabilities={
            name: _capability(top.table("capability").table(name))
            for name in top.table("capability").value
        },
    )
    top.done()
    return policy


def _rollout(table: "_Table") -> Rollout:
    harm = table.table("harm")
    return Rollout(
        canary_share=table.number("canary_share", 0.0, 1.0),
        min_entities=table.count("min_entities"),
        must_be_good=table.flag("must_be_good"),
        margin=table.number("margin", 0.0, 1.0),
        alpha=table.number("alpha", 1e-9, 0.5),
        harm={name: harm.number(name, 0.0, 1.0) for name in HARMS},
    )


def _drift(table: "_Table") -> Drift:
    return Drift(
        **{
            name: table.number(name, 0.0)
            for name in (
                "input_ks", "output_ks", "calibration", "error_rate", "latency_ms_p99",
                "estimated_loss", "verdict_loss",
            )
        },
        min_samples=table.count("min_samples"),
    )  # fmt: skip


def _tiers(top: "_Table", roles: tuple[str, ...]) -> tuple[Tier, ...]:
    tiers = tuple(
        Tier(
            one.text("name"),
            one.number("risk_at_most", 0.0),
            one.count("quorum"),
            one.among("roles", roles, empty=True),
        )
        for one in top.tables("tier")
    )
    if not tiers or [t.risk_at_most for t in tiers] != sorted({t.risk_at_most for t in tiers}):
        raise PolicyError("expected tiers of rising risk_at_most", where="tier")
    if tiers[-1].risk_at_most < 125:
        raise PolicyError("the last tier must reach the greatest risk, 125", where="tier")
    return tiers


def _gate(table: "_Table") -> GateBound:
    measure = table.text("measure") if "measure" in table.value else None
    bounds = {
        name: table.number(name) if name in table.value else None
        for name in ("at_least", "at_most")
    }
    if (measure is None) != all(bound is None for bound in bounds.values()):
        raise PolicyError("a measure needs at_least or at_most, and they a measure",
                          where=table.place)  # fmt: skip
    use = table.text("use") if "use" in table.value else "value"
    if use not in ("value", "low", "high"):
        raise PolicyError("expected value, low or high", where=f"{table.place}.use")
    tasks = table.texts("tasks") if "tasks" in table.value else ()
    return GateBound(table.text("name"), measure, use, bounds["at_least"], bounds["at_most"], tasks)


def _capability(table: "_Table") -> Capability:
    numbers = {
        name: table.number(name, 0.0, 4.0)
        for name in (
            "exposure", "intelligence", "confidentiality", "integrity", "availability", "privacy",
        )
    }  # fmt: skip
    return Capability(**numbers, why=table.text("why"))


class _Table:
    """A table of the file that remembers what was asked of it."""

    def __init__(self, value: Mapping[str, Any], place: str) -> None:
        self.value, self.place = value, place
        self._asked: set[str] = set()
        self._inner: dict[str, list[_Table]] = {}

    def _at(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name

    def _get(self, name: str, test: Callable[[Any], bool], expected: str) -> Any:
        self._asked.add(name)
        if name not in self.value:
            raise PolicyError(f"is missing; expected {expected}", where=self._at(name))
        if not test(self.value[name]):
            raise PolicyError(f"expected {expected}", where=self._at(name))
        return self.value[name]

    def text(self, name: str) -> str:
        found: str = self._get(name, lambda v: isinstance(v, str) and v != "", "text")
        return found

    def texts(self, name: str) -> tuple[str, ...]:
        found = self._get(
            name,
            lambda v: isinstance(v, list) and all(isinstance(one, str) for one in v),
            "a list of texts",
        )
        return tuple(found)

    def among(self, name: str, known: tuple[str, ...], *, empty: bool = False) -> tuple[str, ...]:
        found = self.texts(name)
        for one in found:
            if one not in known:
                raise PolicyError(
                    f"{one!r} is unknown; expected of {', '.join(known)}", where=self._at(name)
                )
        if not found and not empty:
            raise PolicyError("expected at least one", where=self._at(name))
        return found

    def number(self, name: str, least: float = -1e300, most: float = 1e300) -> float:
        return float(
            self._get(
                name,
                lambda v: (
                    isinstance(v, int | float) and not isinstance(v, bool) and least <= v <= most
                ),
                f"a number between {least:g} and {most:g}" if most < 1e300 else "a number",
            )
        )

    def count(self, name: str) -> int:
        found: int = self._get(
            name,
            lambda v: isinstance(v, int) and not isinstance(v, bool) and v > 0,
            "a whole number above 0",
        )
        return found

    def flag(self, name: str) -> bool:
        found: bool = self._get(name, lambda v: isinstance(v, bool), "true or false")
        return found

    def clock(self, name: str) -> time:
        said = self.text(name)
        try:
            return time.fromisoformat(said)
        except ValueError:
            raise PolicyError("expected HH:MM", where=self._at(name)) from None

    def table(self, name: str) -> "_Table":
        known = self._inner.get(name)
        if known is None:
            found = self._get(name, lambda v: isinstance(v, dict), "a table")
            known = self._inner[name] = [_Table(found, self._at(name))]
        return known[0]

    def tables(self, name: str) -> "list[_Table]":
        known = self._inner.get(name)
        if known is None:
            if name not in self.value:
                self._asked.add(name)
                return []
            found = self._get(
                name,
                lambda v: isinstance(v, list) and all(isinstance(one, dict) for one in v),
                "tables",
            )
            known = [_Table(one, f"{self._at(name)}[{at}]") for at, one in enumerate(found)]
            self._inner[name] = known
        return known

    def done(self) -> None:
        """Refuse fields that nobody asked for: a misspelled rule must not be a rule dropped."""
        for name in self.value:
            if name not in self._asked:
                raise PolicyError("is no field of a policy", where=self._at(name))
        for tables in self._inner.values():
            for table in tables:
                table.done()
