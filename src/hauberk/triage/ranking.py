"""Clusters into ranked incidents: what each is worth, and what falls within the budget.

The log odds of an incident are a sum that a person can check: a prior, the bits of its findings
(each discounted for those of the same kind and technique that already spoke), and a bit for each
further tactic that is supported.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime

import polars as pl

from hauberk.events import FindingKind, finding_uid, tactics_of

from .interface import Incident, Link, Reason
from .narrative import narrate, title
from .surprise import evidence_bits
from .weighing import KIND_CAP, Weighed, events_behind, first_words, stories, weigh

PRIOR_BITS = -8.0
"""Log2 odds that a cluster of findings is an incident before its evidence is weighed."""

ESTATE_SUBJECTS = 16.0
"""Subjects watched a day from which the prior falls as their number grows."""

TACTIC_BITS = 1.0
"""Bits for each tactic beyond the first that is supported."""

SUPPORT_BITS = 2.0
"""Bits of the finding that supports a tactic: what administrators do all day does not."""

MAX_TACTIC_BITS = 5.0

_ROUNDING = 1e-6
"""Bits by which sums in another order may differ."""

FLOOR = 0.01
"""Incidents less likely than this are not shown even where the budget has room for them."""

BUDGET = 5.0
"""Incidents a day that an analyst reads by default."""

MAX_LINKS = 400
"""Pairs of entities that an incident's graph keeps, most findings first."""

MAX_ANALYTICS = 24
"""Titles of analytics that an incident names."""

_ENTITY_ORDER = ("host", "user", "principal", "mailbox", "ip", "domain", "process", "file", "hash")


def prior_bits(subjects: float) -> float:
    """Log2 odds of one story where so many subjects are watched a day.

    Intruders do not come in proportion to what is watched, stories of findings do: a desk that
    sees a hundred hosts a day weighs each story against a hundred times as many harmless ones.
    """
    return PRIOR_BITS - math.log2(max(1.0, subjects / ESTATE_SUBJECTS))


def log_odds(probability: float) -> float:
    """Log2 odds of a probability."""
    kept = min(max(probability, 1e-15), 1 - 1e-15)
    return math.log2(kept / (1 - kept))


def told(findings: pl.DataFrame, *, subjects: float = 0.0) -> dict[int, Incident]:
    """Incidents by the number of their cluster, from findings with `cluster` and `context`.

    `subjects`: how many hosts, addresses and principals are watched a day.
    """
    prior = prior_bits(subjects)
    incidents = {cluster: _incident(weigh(rows), prior) for cluster, rows in stories(findings)}
    return {cluster: one for cluster, one in incidents.items() if one is not None}


def ranked(incidents: Iterable[Incident], budget: float, floor: float) -> list[Incident]:
    """The incidents, most probable first, those within the budget marked."""
    order = sorted(
        incidents, key=lambda one: (-one.probability, -one.severity_id, one.start, one.uid)
    )
    return within_budget(order, budget, floor)


def likely(findings: pl.DataFrame, least: float, *, subjects: float = 0.0) -> set[str]:
    """Uids of the findings that make incidents of at least this probability; none is context.

    Nothing is told of them, and a cluster whose findings are too weak even if none said what
    another has said is not looked at: of an estate's clusters nearly all.
    """
    prior = prior_bits(subjects)
    words = first_words(findings)
    most = (
        words.group_by("cluster", "kind", "rule_uid")
        .agg(evidence_bits(pl.col("surprise")).max().alias("bits"))
        .group_by("cluster", "kind")
        .agg(pl.col("bits").sum().clip(upper_bound=KIND_CAP))
        .group_by("cluster")
        .agg(pl.col("bits").sum())
        .filter(pl.col("bits") + (prior + MAX_TACTIC_BITS - log_odds(least)) >= -_ROUNDING)
    )
    found = []
    for cluster, rows in stories(words.join(most, on="cluster", how="semi")):
        weighed = weigh(rows)
        if _times(weighed) and _probability(_odds(weighed, prior)) >= least:
            found.append(cluster)
    return set(findings.filter(pl.col("cluster").is_in(found))["uid"])


def within_budget(incidents: list[Incident], budget: float, floor: float) -> list[Incident]:
    """Mark the incidents that a reader of `budget` a day gets to see, best first.

    Each day that incidents began has its own allowance; a fraction of an incident a day means one
    every so many days. Incidents below `floor` are never above budget.
    """
    taken: Counter[date] = Counter()
    days = max(1.0, 1.0 / budget) if budget > 0 else 0.0
    marked = []
    for incident in incidents:
        day = date.fromordinal(int(incident.start.toordinal() // days * days)) if days else None
        above = day is not None and incident.probability >= floor and taken[day] < max(1.0, budget)
        if above and day is not None:
            taken[day] += 1
        marked.append(replace(incident, above_budget=above))
    return marked


def _times(weighed: Sequence[Weighed]) -> list[datetime]:
    starts = [one.start for one in weighed if one.start]
    return starts + [one.end for one in weighed if one.end]


def _odds(weighed: Sequence[Weighed], prior: float) -> float:
    """Log2 odds of an incident: the prior, its further tactics, its findings."""
    return prior + _tactic_bits(_techniques(weighed)) + sum(one.counted for one in weighed)


def _tactic_bits(support: Sequence[tuple[str, float]]) -> float:
    return min(MAX_TACTIC_BITS, TACTIC_BITS * max(0, separate_tactics(_supported(support)) - 1))


def _supported(support: Sequence[tuple[str, float]]) -> list[str]:
    return [technique for technique, bits in support if bits >= SUPPORT_BITS]


def _probability(odds: float) -> float:
    return 1.0 / (1.0 + math.exp2(-odds))


def _incident(everything: Sequence[Weighed], prior: float) -> Incident | None:
    weighed = [one for one in everything if not one.context]
    times = _times(weighed)
    if not times:
        return None
    support = _techniques(weighed)
    tactics = tactics_of(_supported(support))

    def when(one: Weighed) -> tuple[bool, datetime, str]:
        return one.start is None, one.start or times[0], one.uid

    in_time = sorted(everything, key=when)
    story = [one for one in in_time if not one.context]
    entities = _entities(weighed)
    telling = [one for one in weighed if one.counted > 0] or weighed[:1]
    reasons = [Reason(one.message or one.title, one.uid, one.counted) for one in telling]
    shown = tactics or tactics_of(technique for technique, _ in support)
    return Incident(
        uid=finding_uid("incident", story[0].uid),
        title=title(weighed, entities),
        probability=_probability(_odds(weighed, prior)),
        prior_bits=prior,
        tactic_bits=_tactic_bits(support),
        start=min(times),
        end=max(times),
        entities=entities,
        techniques=[technique for technique, _ in support],
        tactics=[str(tactic) for tactic in shown],
        findings=[one.uid for one in in_time],
        event_count=events_behind(weighed),
        reasons=reasons,
        links=_links(weighed),
        narrative=narrate(story, entities),
        above_budget=False,
        severity_id=max((one.severity_id for one in weighed), default=0),
        context=[one.uid for one in in_time if one.context],
        analytics=list(dict.fromkeys(one.title for one in telling))[:MAX_ANALYTICS],
    )


def separate_tactics(techniques: Iterable[str]) -> int:
    """How many tactics the techniques show if each of them may show one only.

    A technique may serve four tactics, and then says little of which it served: valid accounts
    alone are no four stages of an attack. Sub-techniques of one technique count as one.
    """
    wanted = {
        one.split(".", 1)[0]: [str(tactic) for tactic in tactics_of([one])] for one in techniques
    }
    shown_by: dict[str, str] = {}

    def placed(technique: str, tried: set[str]) -> bool:
        for tactic in wanted[technique]:
            if tactic not in tried:
                tried.add(tactic)
                if tactic not in shown_by or placed(shown_by[tactic], tried):
                    shown_by[tactic] = technique
                    return True
        return False

    return sum(placed(technique, set()) for technique in wanted)


def _techniques(weighed: Sequence[Weighed]) -> list[tuple[str, float]]:
    """Techniques and the bits that speak for each, best supported first."""
    strongest: dict[str, float] = {}
    counted: dict[str, float] = {}
    for one in weighed:
        for technique in one.techniques:
            strongest[technique] = max(strongest.get(technique, 0.0), one.bits)
            counted[technique] = counted.get(technique, 0.0) + one.counted
    return sorted(strongest.items(), key=lambda item: (-item[1], -counted[item[0]], item[0]))


def _entities(weighed: list[Weighed]) -> list[str]:
    """Entities by the evidence that names them, of each kind in turn for the first few."""
    worth: dict[str, float] = {}
    for one in weighed:
        for position, name in enumerate(one.entities):
            worth[name] = worth.get(name, 0.0) + (one.counted + 0.01) / (1 + position)

    def place(name: str) -> tuple[int, float, str]:
        kind = name.split(":", 1)[0]
        order = _ENTITY_ORDER.index(kind) if kind in _ENTITY_ORDER else len(_ENTITY_ORDER)
        return (order, -worth[name], name)

    return sorted(worth, key=place)


def _links(weighed: list[Weighed]) -> list[Link]:
    """Pairs of entities that one finding names together, the first with each other."""
    pairs: Counter[tuple[str, str]] = Counter()
    for one in weighed:
        for other in one.entities[1:8]:
            pairs[one.entities[0], other] += 1
    return [Link(a, b, n) for (a, b), n in pairs.most_common(MAX_LINKS)]


def expected_misses(incidents: list[Incident]) -> float:
    """Real incidents that the budget may have cost: probabilities below the line, summed."""
    return sum(one.probability for one in incidents if not one.above_budget)


KINDS_IN_WORDS = {
    FindingKind.RULE: "rules",
    FindingKind.RARITY: "rare behaviour",
    FindingKind.AUTHENTICATION: "log-ons",
    FindingKind.NETWORK: "network behaviour",
    FindingKind.MODEL: "models",
    FindingKind.INTEL: "threat intelligence",
    FindingKind.DECOY: "decoys",
    FindingKind.PRODUCT: "other products",
}
