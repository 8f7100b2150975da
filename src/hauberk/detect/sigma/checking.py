"""Faults of a rule tree: what cannot be compiled, and what can never fire."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .engine import Engine
from .loading import load_rules
from .program import RuleSet

OWN_RULES = Path(__file__).parent / "rules"
"""The rules that come with Hauberk."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a rule tree, and where."""

    path: str
    line: int
    rule_id: str
    reason: str


def check_rules(paths: Sequence[Path]) -> tuple[RuleSet, list[Fault]]:
    """The rules of files or folders (without any, Hauberk's own) and every fault, in order.

    Faults are what cannot be compiled, and rules that can never fire because no log is known for
    their log source. Samples are not looked at: `check_samples` does.
    """
    rules = load_rules(list(paths) or [OWN_RULES])
    faults = [Fault(r.path, r.line, r.rule_id, r.reason) for r in rules.refusals]
    engine = Engine(rules)
    for number, rule in enumerate(rules.rules):
        if not engine.selectors(number):
            reason = f"the log source {rule.source} is not in the taxonomy: the rule can never fire"
            faults.append(Fault(rule.path, rule.line, rule.uid, reason))
    return rules, sorted(faults, key=lambda one: (one.path, one.line))
