"""Correlations from text, and hits by name for them to judge."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from hauberk.detect.sigma import CorrelationDetector, RuleSet, load_rules
from hauberk.detect.sigma.correlation import hits_frame
from hauberk.events import EventBatch

START = datetime(2026, 3, 1, 12, tzinfo=UTC)

Hit = tuple[str, float, Mapping[str, str | None]]
"""Name of a rule, seconds after START, fields of the event."""

BASE = """
title: {name}
name: {name}
tags: [attack.t1000]
logsource: {{product: windows, service: security}}
detection: {{s: {{EventID: '{name}'}}, condition: s}}
---
"""


@pytest.fixture
def correlated(tmp_path: Path) -> Callable[..., RuleSet]:
    """Rules a, b, c, d, and the correlations of a text."""

    def load(text: str, names: str = "abcd") -> RuleSet:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.yml"
        path.write_text("".join(BASE.format(name=name) for name in names) + text)
        return load_rules([path])

    return load


def frame_of(
    rules: RuleSet, hits: Sequence[Hit], uids: Sequence[str] | None = None
) -> pl.DataFrame:
    """Hits in columns; `uids` of their events, or numbers in their order."""
    known = {rule.name: rule.uid for rule in rules.rules}
    fields = dict.fromkeys(name for _, _, given in hits for name in given)
    return hits_frame(
        [known[name] for name, _, _ in hits],
        pl.Series([START + timedelta(seconds=at) for _, at, _ in hits]),
        pl.Series(uids or [f"batch:{number}" for number in range(len(hits))]),
        [[f"host:{given.get('H') or 'pc'}"] for _, _, given in hits],
        {name: [given.get(name) for _, _, given in hits] for name in fields},
    )


def judged_at_once(rules: RuleSet, hits: Sequence[Hit], **options: object) -> pl.DataFrame:
    """What is said of hits that are judged together, those that wait included."""
    detector = CorrelationDetector(rules, **options)  # type: ignore[arg-type]  # its own options
    found, state = detector.judge(EventBatch("b", {}, hits=frame_of(rules, hits)), {})
    said = pl.concat([found, detector.pending(state)])
    return said.unique("uid", keep="last", maintain_order=True).sort("time", "uid")


@pytest.fixture
def matches(correlated: Callable[..., RuleSet]) -> Callable[..., list[tuple[float, float, int]]]:
    """Matches of one correlation over hits: seconds of the first and last event, and how many.

    A last hit of rule d, in no group, moves time on so that every window is over.
    """

    def judge(text: str, *hits: Hit) -> list[tuple[float, float, int]]:
        rules = correlated(text)
        assert not rules.refusals, rules.refusals[0].reason
        found = judged_at_once(rules, [*hits, ("d", 10_000_000, {})])
        seconds = [(pl.col(name) - START).dt.total_seconds() for name in ("time", "end_time")]
        return found.select(*seconds, "count").rows()

    return judge
