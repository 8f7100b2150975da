"""Comparing two rates while they come in: always valid, however often somebody looks.

The canary's rate of something bad (errors, flags, false positives, slow answers) against the live
model's. The evidence that it is worse by more than is tolerated is a mixture of likelihood ratios
(mSPRT) of the normal approximation; its running maximum exceeds 1/alpha with a probability of at
most alpha when nothing is wrong, at any stopping time.

Source: Robbins 1970, "Statistical methods related to the law of the iterated logarithm"; Johari,
Pekelis, Walsh 2015, "Always valid inference: continuous monitoring of A/B tests", section 4.
"""

import math
from dataclasses import dataclass

MIXTURE = 0.05
"""Standard deviation of the differences that the mixture expects."""

FEWEST = 50
"""Entities of each arm from which the normal approximation is used."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something happened: `bad` of `seen`."""

    bad: int = 0
    seen: int = 0

    def plus(self, other: "Rate") -> "Rate":
        """Both together."""
        return Rate(self.bad + other.bad, self.seen + other.seen)

    @property
    def share(self) -> float:
        """From 0 to 1; 0 where nothing was seen."""
        return self.bad / self.seen if self.seen else 0.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the counts so far say: the excess, the largest evidence of harm, the p-value.

    `bound` is the largest excess that is not refuted yet, at the same confidence.
    """

    excess: float
    p_value: float
    bound: float
    harmful: bool


def compare(
    canary: Rate, live: Rate, *, tolerated: float, alpha: float, before: float = 1.0
) -> Comparison:
    """Whether the canary's rate is above the live one's by more than `tolerated`.

    `before` is the p-value of the last look: it never grows, which is what makes looking free.

    >>> compare(Rate(2, 500), Rate(3, 4500), tolerated=0.02, alpha=0.01).harmful
    False
    >>> compare(Rate(60, 500), Rate(30, 4500), tolerated=0.02, alpha=0.01).harmful
    True
    """
    excess = canary.share - live.share
    if min(canary.seen, live.seen) < FEWEST:
        return Comparison(excess, before, 1.0, before <= alpha)
    # Add-one shares, so that no arm without a case has a variance of nothing.
    variance = sum(
        (rate.bad + 1) / (rate.seen + 2) * (1 - (rate.bad + 1) / (rate.seen + 2)) / rate.seen
        for rate in (canary, live)
    )
    over = excess - tolerated
    ratio = MIXTURE**2 / (variance + MIXTURE**2)
    log_evidence = 0.5 * math.log(1 - ratio) + ratio * over**2 / (2 * variance)
    p_value = before
    if over > 0:
        p_value = min(before, math.exp(-max(0.0, min(700.0, log_evidence))))
    radius = math.sqrt(2 * variance / ratio * (math.log(1 / alpha) - 0.5 * math.log(1 - ratio)))
    return Comparison(excess, p_value, excess + radius, p_value <= alpha)
