"""Watching in one step: measures become events; drift opens a retraining candidate.

A retraining candidate is a request in the ledger: what drifted, by how much, on how many samples.
It goes as far as the gates and the signature; nobody but persons takes it further.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from hauberk.events import OWN_CLASS, Status
from hauberk.governance import entry
from hauberk.models.documents import Task
from hauberk.models.registering import said, told
from hauberk.models.registry import ENTRY_PREFIXES, Registry, fold
from hauberk.models.rollout import Judgement, watch_canary
from hauberk.models.telemetry import Occurrence, keep
from hauberk.models.versions import RETRAINING, Stage, Version
from hauberk.store import Home

from .measures import DRIFT, Measure, label_measures, reference_of, work_measures
from .queries import QUERIES, query_measures
from .tallies import rates
from .verdicts import VERDICT, Verdicts, read_verdicts

REFUSED_DAYS = 7
_QUERY_DAYS = timedelta(days=7)


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


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of models at work: TALLY, INPUTS and QUERIES of detectors, and verdicts."""

    tallies: pl.DataFrame
    inputs: pl.DataFrame
    queries: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=QUERIES))
    verdicts: Verdicts = field(default_factory=Verdicts)


def watch_models(
    home: Home,
    tallies: pl.DataFrame,
    inputs: pl.DataFrame,
    queries: pl.DataFrame | None = None,
) -> list[Watched]:
    """Measure every live model and canary, store events, open retraining, judge canaries.

    Tallies, inputs and queries are what detectors counted; verdicts are read from the ledger. Who
    gives them is told once, of no model: they become labels of all.
    """
    now = home.clock()
    entries = home.proven_entries((*ENTRY_PREFIXES, VERDICT))
    registry = fold((one for one in entries if one.type != VERDICT), home.origin)
    none = pl.DataFrame(schema=QUERIES)
    seen = Seen(
        tallies, inputs, none if queries is None else queries, read_verdicts(home, entries, now)
    )
    found = []
    for task in Task:
        slot = registry.slot(task)
        at_work = [registry.versions[one] for one in (slot.live, slot.canary) if one is not None]
        found += [_watch(home, registry, one, seen) for one in at_work]
        if slot.canary is not None and slot.live is not None:
            since = registry.versions[slot.canary].moves[-1].at.date()
            judgement = watch_canary(
                home, task, rates(tallies, slot.canary, since), rates(tallies, slot.live, since)
            )
            found[-1] = Watched(
                found[-1].version, found[-1].measures, found[-1].retraining, judgement
            )
    labels = label_measures(seen.verdicts.persons)
    if labels:
        keep(home, (), [_occurrence(one, now) for one in labels])
    return found


def _occurrence(measure: Measure, now: datetime) -> Occurrence:
    return Occurrence(
        "measure", now, succeeded=not measure.breached, metric=measure.metric,
        value=measure.value, bound=measure.bound, samples=measure.samples, message=measure.detail,
    )  # fmt: skip


def _watch(home: Home, registry: Registry, version: Version, seen: Seen) -> Watched:
    own, now = pl.col("digest") == version.artifact, home.clock()
    asked = seen.queries.filter(own)
    asked = asked.filter(pl.col("day") > pl.col("day").max() - _QUERY_DAYS)
    measures: Sequence[Measure] = [
        *work_measures(
            seen.tallies.filter(own),
            seen.inputs.filter(own),
            reference_of(version.report),
            registry.authority.policy.drift,
            verdicts=seen.verdicts.of_models.get(version.artifact, ()),
        ),
        *query_measures(asked),
        *_refusals(home, version, now),
    ]
    if not measures:
        return Watched(version, (), retraining=False)
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


def _refusals(home: Home, version: Version, now: datetime) -> list[Measure]:
    """How often the model was refused when it was to be loaded lately; nothing where never."""
    if OWN_CLASS not in home.lake.event_classes():
        return []
    columns = ["time", "status_id", "api.operation", "ai_model.uid"]
    refused = (
        home.lake.scan(OWN_CLASS, columns)
        .filter(
            pl.col("ai_model.uid") == version.artifact,
            pl.col("api.operation") == "load",
            pl.col("status_id") == int(Status.FAILURE),
            pl.col("time") > now - timedelta(days=REFUSED_DAYS),
        )
        .select(pl.len())
        .collect()
        .item()
    )
    told = f"refused at loading, in {REFUSED_DAYS} days"
    return [Measure("refusals", float(refused), 0.0, int(refused), told)] if refused else []


def is_open(registry: Registry, version: Version) -> bool:
    """Whether retraining was asked for since the version last moved."""
    since = version.moves[-1].position if version.moves else version.position
    return any(
        one.position > since and one.body["statement"]["artifact"] == version.artifact
        for one in registry.retraining
    )
