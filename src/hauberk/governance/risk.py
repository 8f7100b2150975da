"""The risk of a model: likelihood x impact x detectability, each computed from evidence.

Each axis runs from 1 to 5, so the score from 1 to 125, as in failure mode and effects analysis
(IEC 60812: occurrence, severity, detection). Evidence that is missing counts as the worst that it
could say. Every axis keeps its terms, so that a person can add it up again.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .policy import Capability


@dataclass(frozen=True, slots=True)
class Term:
    """One share of an axis: what it is, its value from 0 (best) to 1 (worst), and its weight."""

    what: str
    value: float
    weight: float
    evidence: str


@dataclass(frozen=True, slots=True)
class Axis:
    """1 + 4 x the weighted mean of its terms."""

    name: str
    terms: tuple[Term, ...]

    @property
    def value(self) -> float:
        """From 1 to 5."""
        weight = sum(term.weight for term in self.terms)
        return 1 + 4 * sum(term.value * term.weight for term in self.terms) / weight

    def arithmetic(self) -> str:
        """The sum, written out."""
        sums = " + ".join(f"{term.weight:g}x{term.value:.2f}" for term in self.terms)
        weight = sum(term.weight for term in self.terms)
        return f"1 + 4 x ({sums}) / {weight:g} = {self.value:.2f}"


@dataclass(frozen=True, slots=True)
class Risk:
    """A score, its three axes, and the impact on confidentiality, integrity, availability, privacy.

    `impacts` run from 0 (none) to 4 (severe).
    """

    likelihood: Axis
    impact: Axis
    detectability: Axis
    impacts: Mapping[str, float]

    @property
    def score(self) -> float:
        """From 1 to 125, to two decimals."""
        return round(self.likelihood.value * self.impact.value * self.detectability.value, 2)

    def as_json(self) -> dict[str, object]:
        """Score, axes and terms, for the ledger and for machines."""
        axes = (self.likelihood, self.impact, self.detectability)
        return {
            "score": self.score,
            "axes": {
                axis.name: {
                    "value": round(axis.value, 4),
                    "arithmetic": axis.arithmetic(),
                    "terms": [
                        {
                            "what": term.what,
                            "value": round(term.value, 4),
                            "weight": term.weight,
                            "evidence": term.evidence,
                        }
                        for term in axis.terms
                    ],
                }
                for axis in axes
            },
            "impacts": dict(self.impacts),
        }


def share(
    measured: Mapping[str, Mapping[str, float]], gate: str, name: str
) -> tuple[float | None, str]:
    """A measured share between 0 and 1, and where it was read; None where it was not measured."""
    value = measured.get(gate, {}).get(name)
    if value is None:
        return None, f"{gate}.{name} was not measured: counted as the worst"
    return min(1.0, max(0.0, value)), f"{gate}.{name} = {value:g}"


def assess(capability: Capability, measured: Mapping[str, Mapping[str, float]]) -> Risk:
    """The risk of a model of this capability with these measurements (gate to measure to value).

    Read of the gates: `evasion.robust_tpr`, `poisoning.worst_loss`, and `detected_share` of
    `drift`, `evasion` and `poisoning`: how often the model's own failure was noticed.
    """
    robust, robust_said = share(measured, "evasion", "robust_tpr")
    loss, loss_said = share(measured, "poisoning", "worst_loss")
    likelihood = Axis(
        "likelihood",
        (
            Term("exposure to attackers", capability.exposure / 4, 2, "policy, capability"),
            Term("known attacks in the open", capability.intelligence / 4, 1, "policy, capability"),
            Term("evasion succeeds", 1.0 if robust is None else 1 - robust, 2, robust_said),
            # A loss of 0.2 in AUC leaves a good model useless: that is the worst there is.
            Term("poisoning succeeds", 1.0 if loss is None else min(1, loss / 0.2), 1, loss_said),
        ),
    )
    impacts = {
        "confidentiality": capability.confidentiality,
        "integrity": capability.integrity,
        "availability": capability.availability,
        "privacy": capability.privacy,
    }
    worst = max(impacts, key=lambda name: impacts[name])
    mean = sum(impacts.values()) / 4
    impact = Axis(
        "impact",
        (
            Term("worst of CIA and privacy", impacts[worst] / 4, 2, f"{worst} {impacts[worst]:g}"),
            Term("mean of CIA and privacy", mean / 4, 1, f"mean {mean:g}"),
        ),
    )
    noticed = []
    for gate in ("drift", "evasion", "poisoning"):
        found, said = share(measured, gate, "detected_share")
        noticed.append(Term(f"{gate} goes unnoticed", 1.0 if found is None else 1 - found, 1, said))
    return Risk(likelihood, impact, Axis("detectability", tuple(noticed)), impacts)
