"""Which bounds the gates must hold: `policy.toml`, which a recipe may tighten and never loosen."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hauberk.errors import UsageError
from hauberk.models.evaluation import Number

SHIPPED = Path(__file__).with_name("policy.toml")


@dataclass(frozen=True, slots=True)
class Bound:
    """A limit for one measure; the worse end of the interval must hold it."""

    measure: str
    at_least: float | None
    at_most: float | None

    def holds(self, number: Number | None) -> bool:
        """Whether the measured interval keeps the limit; what was not measured does not."""
        if number is None or number.value != number.value:
            return False
        if self.at_least is not None and number.low < self.at_least:
            return False
        return self.at_most is None or number.high <= self.at_most

    def __str__(self) -> str:
        limits = [f">= {self.at_least:g}" if self.at_least is not None else "",
                  f"<= {self.at_most:g}" if self.at_most is not None else ""]  # fmt: skip
        return f"{self.measure} {' and '.join(limit for limit in limits if limit)}"


@dataclass(frozen=True, slots=True)
class GateRule:
    """A gate's question and its bounds for one task."""

    name: str
    question: str
    bounds: tuple[Bound, ...]


def gate_rules(
    task: str, tightened: Mapping[str, Any], path: Path = SHIPPED
) -> dict[str, GateRule]:
    """The rules of a task by gate. Raises UsageError for a recipe that loosens one."""
    table = tomllib.loads(path.read_text("utf-8"))
    rules: dict[str, GateRule] = {}
    for name, entry in table.items():
        limits = {**entry.get("bounds", {}), **entry.get(task, {})}
        bounds = {one: _bound(one, limit, name) for one, limit in limits.items()}
        for measure, limit in dict(tightened.get(name, {})).items():
            bounds[measure] = _tighter(bounds.get(measure), _bound(measure, limit, name))
        rules[name] = GateRule(name, entry["question"], tuple(bounds.values()))
    unknown = set(tightened) - set(rules)
    if unknown:
        raise UsageError(f"there is no gate {min(unknown)}", where="gates",
                         hint=f"Gates: {', '.join(rules)}")  # fmt: skip
    return rules


def _bound(measure: str, limit: object, gate: str) -> Bound:
    if isinstance(limit, Mapping) and set(limit) <= {"at_least", "at_most"} and limit:
        values = {name: float(value) for name, value in limit.items()}
        return Bound(measure, values.get("at_least"), values.get("at_most"))
    raise UsageError("expected at_least or at_most", where=f"gates.{gate}.{measure}")


def _tighter(policy: Bound | None, recipe: Bound) -> Bound:
    if policy is None:
        return recipe
    least, most = recipe.at_least, recipe.at_most
    loosens = (policy.at_least is not None and (least is None or least < policy.at_least)) or (
        policy.at_most is not None and (most is None or most > policy.at_most)
    )
    if loosens:
        raise UsageError(
            f"the recipe asks for {recipe}, the policy for {policy}",
            where=f"gates.{recipe.measure}",
            hint="A recipe may tighten a gate, never loosen it",
        )
    return recipe
