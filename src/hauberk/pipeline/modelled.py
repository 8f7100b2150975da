"""Models in a scan: found in the home, refused aloud, and what they did added up.

A home without models pays nothing for them: nothing is imported and the ledger is not read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import polars as pl

from hauberk.detect import Detector, State
from hauberk.events import OWN_CLASS, no_findings
from hauberk.store import Commit, Home

from .own import judge_own

_FOLDER = "models"
_COUNTED = ("model-domain", "model-mail-counts", "model-executable-counts", "model-requests")
_WATCHED = "models-watched"
"""Names of states: what models did, and how much of it was measured."""


@runtime_checkable
class Counting(Protocol):
    """A detector that adds up what another, `source`, left with each commit."""

    source: str

    def count(
        self,
        tallies: Iterable[pl.DataFrame],
        inputs: Iterable[pl.DataFrame],
        waiting: Iterable[pl.DataFrame],
        state: State,
        queries: Iterable[pl.DataFrame] = (),
    ) -> tuple[pl.DataFrame, State]:
        """Findings and the state after."""
        ...


@dataclass(frozen=True, slots=True)
class ModelJudges:
    """Model detectors of records as they are parsed and of the lake, and who was refused."""

    fields: Sequence[Detector] = ()
    behaviour: Sequence[Detector] = ()
    faults: Sequence[str] = ()


def model_judges(home: Home, *, tell: bool = False) -> ModelJudges:
    """The models that may judge in this home.

    With `tell`, refusals are stored as events and judged by the rules for those. Every registration
    leaves a folder and an event: where there is neither, there is no model.
    """
    if not (home.path / _FOLDER).is_dir() and OWN_CLASS not in home.lake.event_classes():
        return ModelJudges()
    from hauberk.detect.models import assemble  # noqa: PLC0415  # only where there are models
    from hauberk.models import report_refusals  # noqa: PLC0415

    made = assemble(home)
    if tell and made.refusals:
        report_refusals(home, made.refusals)
        judge_own(home)
    return ModelJudges(made.fields, made.behaviour, made.faults)


def counted(
    home: Home, detector: Counting, state: State, commits: tuple[int, int]
) -> tuple[pl.DataFrame, State]:
    """What a counting detector makes of the commits after the first and up to the second."""

    def left(table: str) -> list[pl.DataFrame]:
        found = home.records.left(
            detector.source, table, after_commit=commits[0], until_commit=commits[1]
        )
        return list(found)

    return detector.count(left("tally"), left("inputs"), left("said"), state, left("queries"))


def watch_at_work(home: Home) -> pl.DataFrame:
    """Measure the models at work, if they have judged anything since; what own rules say of it.

    Measures are events and are judged at once. Nothing is imported where no model ever judged.
    """
    counts = [home.records.state(name).get("tally") for name in _COUNTED]
    kept = [one for one in counts if one is not None]
    if not kept:
        return no_findings()
    judged = sum(int(one["judged"].sum()) for one in kept)
    before = home.records.state(_WATCHED).get("judged")
    if before is not None and int(before["judged"].sum()) == judged:
        return no_findings()
    from hauberk.detect.models import watched  # noqa: PLC0415  # only where there are models

    watched(home)
    home.commit(Commit(states={_WATCHED: {"judged": pl.DataFrame({"judged": [judged]})}}))
    return judge_own(home)
