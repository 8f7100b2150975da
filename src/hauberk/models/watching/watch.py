"""Watching in one step: measures become events; drift opens a retraining candidate.

A retraining candidate is a request in the ledger: what drifted, by how much, on how many samples.
It goes as far as the gates and the signature; nobody but persons takes it further.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from hauberk.governance import entry
from hauberk.models.documents import Task
from hauberk.models.registering import said, told
from hauberk.models.registry import Registry, read_registry
from hauberk.models.rollout import Judgement, watch_canary
from hauberk.models.telemetry import keep
from hauberk.models.versions import RETRAINING, Stage, Version
from hauberk.store import Home

from .measures import DRIFT, Measure, reference_of, work_measures
from .tallies import rates


@dataclass(frozen=True, slots=True)
class Watched:
    """What was measured of one model, and what followed."""

    version: Version
    measures: tuple[Measure, ...]
    retraining: bool
    canary: Judgement | None = None

    @property
    def breached(self) -> tuple[Measure, ...]:
        """Measures beyond their bound."""
        return tuple(one for one in self.measures if one.breached)


def watch_models(
    home: Home,
    tallies: pl.DataFrame,
    inputs: pl.DataFrame,
    *,
    verdicts: Mapping[str, tuple[int, int]] | None = None,
    more: Sequence[Measure] = (),
) -> list[Watched]:
    """Measure every live model and canary, store events, open retraining, judge canaries.

    `verdicts` are right and all by artifact; `more` are measures of a task's use (labels, queries),
    told of every live model.
    """
    registry = read_registry(home)
    found = []
    for task in Task:
        slot = registry.slot(task)
        for artifact in (slot.live, slot.canary):
            if artifact is not None:
                version = registry.versions[artifact]
                found.append(_watch(home, registry, version, tallies, inputs, verdicts or {}, more))
        if slot.canary is not None and slot.live is not None:
            since = registry.versions[slot.canary].moves[-1].at.date()
            judgement = watch_canary(
                home, task, rates(tallies, slot.canary, since), rates(tallies, slot.live, since)
            )
            found[-1] = Watched(
                found[-1].version, found[-1].measures, found[-1].retraining, judgement
            )
    return found


def _watch(
    home: Home,
    registry: Registry,
    version: Version,
    tallies: pl.DataFrame,
    inputs: pl.DataFrame,
    verdicts: Mapping[str, tuple[int, int]],
    more: Sequence[Measure],
) -> Watched:
    own = pl.col("digest") == version.artifact
    measures = work_measures(
        tallies.filter(own),
        inputs.filter(own),
        reference_of(version.report),
        registry.authority.policy.drift,
        verdicts=verdicts.get(version.artifact, (0, 0)),
    )
    measures += more
    if not measures:
        return Watched(version, (), retraining=False)
    now = home.clock()
    events = [
        told(
            version, "measure", now, succeeded=not one.breached, metric=one.metric,
            value=one.value, bound=one.bound, samples=one.samples, message=one.detail,
        )
        for one in measures
    ]  # fmt: skip
    drifted = [one for one in measures if one.breached and one.metric in DRIFT]
    bodies = []
    if drifted and version.stage is Stage.LIVE and not is_open(registry, version):
        statement = said(
            home, now, artifact=version.artifact, task=version.model.task,
            recipe_digest=version.model.recipe_digest,
            measures=[
                {"metric": one.metric, "value": one.value, "bound": one.bound,
                 "samples": one.samples, "detail": one.detail}
                for one in drifted
            ],
        )  # fmt: skip
        bodies.append(entry(RETRAINING, statement))
        why = ", ".join(one.metric for one in drifted)
        events.append(told(version, "retrain", now, actor="hauberk", message=f"asked for: {why}"))
    keep(home, bodies, events)
    return Watched(version, tuple(measures), retraining=bool(bodies))


def is_open(registry: Registry, version: Version) -> bool:
    """Whether retraining was asked for since the version last moved."""
    since = version.moves[-1].position if version.moves else version.position
    return any(
        one.position > since and one.body["statement"]["artifact"] == version.artifact
        for one in registry.retraining
    )
