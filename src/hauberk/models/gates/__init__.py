"""Gates: what a candidate must show, measured before anyone is asked."""

from collections.abc import Iterator

from .cost import Cost, milliseconds_a_record
from .drift import Drift
from .evasion import Evasion
from .extraction import Extraction
from .files import Files
from .holdout import Holdout
from .interface import Answer, FoldFigures, Gate, Judge, Trial
from .membership import Membership
from .poisoning import Poisoning
from .policy import GateRule, gate_rules
from .privacy import Privacy
from .sources import Sources, compare, fold_figures

GATES: tuple[Gate, ...] = (
    Holdout(), Sources(), Drift(), Evasion(), Poisoning(), Extraction(), Membership(), Privacy(),
    Cost(), Files(),
)  # fmt: skip


def run_gates(trial: Trial, rules: dict[str, GateRule]) -> Iterator[tuple[GateRule, Answer, bool]]:
    """Every gate with its rule, its answer, and whether all bounds hold."""
    for gate in GATES:
        rule = rules[gate.name]
        answer = gate(trial)
        passed = all(bound.holds(answer.measured.get(bound.measure)) for bound in rule.bounds)
        yield rule, answer, passed


__all__ = [
    "GATES",
    "Answer",
    "FoldFigures",
    "Gate",
    "GateRule",
    "Judge",
    "Trial",
    "compare",
    "fold_figures",
    "gate_rules",
    "milliseconds_a_record",
    "run_gates",
]
