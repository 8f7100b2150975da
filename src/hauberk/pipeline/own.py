"""Hauberk's own events, judged by its own rules right after they were stored.

Rules judge records as they are parsed. What happens to models is stored with its cause and never
parsed, so it is judged from the lake, once, by the shipped rules for `product: hauberk` alone:
that takes no time, and a rollback must not wait for three thousand rules.
"""

from functools import cache
from importlib import resources
from pathlib import Path

import polars as pl

from hauberk.detect.sigma import RuleSet, load_rules, sigma_detector
from hauberk.events import OWN_CLASS, OWN_PRODUCT, no_findings
from hauberk.store import Commit, Home

from .again import STORED, parsed_again

FACT = "own_judged"


@cache
def own_rules() -> RuleSet:
    """The shipped rules over Hauberk's own events."""
    folder = resources.files("hauberk.detect.sigma").joinpath("rules", "hauberk")
    with resources.as_file(folder) as path:
        return load_rules([Path(path)])


def judge_own(home: Home) -> pl.DataFrame:
    """Judge own events that were not judged yet, and store what is found; the findings."""
    until = home.records.last_commit()
    since = _judged_until(home)
    if until == since or OWN_CLASS not in home.lake.event_classes():
        return no_findings()
    stored = (
        home.lake.scan(OWN_CLASS, [*STORED, "metadata.product.name"], after_commit=since)
        .filter(pl.col("metadata.product.name") == OWN_PRODUCT)
        .select(STORED)
        .collect()
    )
    if not stored.height:
        return no_findings()
    detector = sigma_detector(own_rules())
    said = [detector.judge(batch, {})[0] for batch in parsed_again(home, stored)]
    findings = pl.concat([no_findings(), *said])
    if findings.height:
        home.commit(Commit(findings=findings, facts={FACT: until}))
    return findings


def _judged_until(home: Home) -> int:
    """The last commit whose own events led to findings; later ones are judged again, for nothing.

    Judging them again finds the same uids, of which nothing is stored twice.
    """
    _, known = home.records.newest_fact(FACT)
    return known if isinstance(known, int) else 0
