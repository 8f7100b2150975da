"""Detectors: events and state in, findings and state out.

A detector is a pure function of a batch and its state, so that it replays, runs on another engine,
and can be tested by holding two ways of cutting the same events into batches equal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from hauberk.events import EventBatch, EventClass, FindingKind

State = Mapping[str, pl.DataFrame]
"""A detector's memory: named tables. The empty mapping is the state before the first event."""


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """What a detector is and what it reads.

    A detector with `reads_fields` judges batches as they are parsed, from the source's own fields,
    and keeps no state: what it hands back as state are tables that are committed with the batch
    (`hits`: what it saw that means something only together with more). A detector with `reads_hits`
    judges those, in the order of event time. Every other detector reads `columns` of the lake, in
    the order of event time, in batches whose size it must not care about.
    """

    name: str  # kebab-case, unique
    version: str  # moves when the same events would yield other findings
    kind: FindingKind
    title: str
    columns: Mapping[EventClass, tuple[str, ...]] = field(default_factory=dict)
    reads_fields: bool = False
    reads_hits: bool = False


class Detector(Protocol):
    """Judges batches of events."""

    spec: DetectorSpec

    def judge(self, batch: EventBatch, state: State) -> tuple[pl.DataFrame, State]:
        """Findings (FINDING_SCHEMA) of this batch, and the state after it.

        Events are judged against the state before them and then enter it. `batch` is ordered by
        time within each class for detectors that read the lake.
        """
        ...
