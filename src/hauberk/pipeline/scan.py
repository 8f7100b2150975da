"""A scan: read, judge, fuse, commit, answer."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime

import polars as pl

from hauberk.detect import Detector, State
from hauberk.detect.known_detectors import detectors
from hauberk.detect.sigma import CorrelationDetector, SigmaDetector, Suppressions
from hauberk.errors import UnreadableInputError
from hauberk.store import Commit, Home
from hauberk.triage import (
    BUDGET,
    Exposure,
    Incident,
    Triage,
    TriageSettings,
    learned,
    triage,
)

from .acts import take_waiting
from .committing import one_thread
from .correlating import HITS, SOURCE, usual
from .evidence import TOLD, evidence_ahead, evidence_of
from .groupings import grouping_facts, groupings_of, states_of_groupings
from .incidents import load_incident, stored_incident
from .ingesting import Ingested, ingest, settled, without_collector
from .interface import Progress, RefusedRule, Scan, ScanOptions, Silent
from .judging import Judged, judge_lake
from .modelled import ModelJudges, model_judges, watch_at_work
from .rule_folders import known_rules
from .suppressions import suppressions_of
from .verdicts import states_of, verdict_facts, verdicts_of

TRIAGE_STATE = "triage"
"""Name under which the base rates are kept among the detectors' states."""


def scan(options: ScanOptions, progress: Progress | None = None) -> Scan:
    """Scan what the options name and answer with ranked incidents.

    Raises HomeBusyError, HomeDamagedError, DiskFullError, and UnreadableInputError when nothing at
    all could be read. Input that cannot be read in part is told in the answer's accounting.
    """
    progress = progress or Silent()
    started = datetime.now(UTC)
    clock = _Clock()
    with clock.of("rules loaded"), without_collector():
        rules = known_rules(options.home, options.rules)
    with Home.open(options.home) as home, ExitStack() as after_reading:
        suppressions = Suppressions(suppressions_of(home))
        with clock.of("models loaded"):
            modelled = model_judges(home, tell=True)
        fields, behaviour = judges(SigmaDetector(rules, suppressions=suppressions), modelled)
        if options.baseline:
            with clock.of("baseline"):
                _learn(home, options, fields, behaviour, progress)
        with clock.of("read"):
            read = ingest(home, options.paths, fields, progress, facts=facts_of(options))
            take_waiting(home, fields)
        after_reading.enter_context(settled())
        with clock.of("judge"):
            judged, commits = judge_new(home, behaviour, progress)
        reader = after_reading.enter_context(one_thread("evidence"))
        ahead = reader.submit(evidence_ahead, home, judged.findings, read.batches)
        with clock.of("triage"):
            made = triage_home(home, judged, options)
        with one_thread("publish") as pool:
            publishing = pool.submit(publish, home, judged, made, commits, options.budget)
            if options.since is not None or options.until is not None:
                publishing.result()
                made = _in_time(home, made, options)
            with clock.of("evidence"):
                shown = touched(made.incidents, made.findings, read.batches)
                findings = made.findings.filter(
                    pl.col("uid").is_in([uid for one in shown for uid in one.findings])
                )
                evidence = evidence_of(home, shown, findings, ahead.result())
            with clock.of("published"):
                publishing.result()
        watch_at_work(home)
        hidden = _hidden(home) if len(suppressions) else 0
    if not read.batches and read.unread:
        first = read.unread[0]
        more = f" ({len(read.unread) - 1} more like it)" if len(read.unread) > 1 else ""
        raise UnreadableInputError(
            f"nothing could be read: {first.reason}{more}",
            where=first.path,
            hint="`hauberk scan --help` lists the formats that are known",
        )
    return Scan(
        options=options,
        accounting=read.accounting(),
        incidents=shown,
        findings=findings,
        evidence=evidence,
        expected_misses=sum(one.probability for one in shown if not one.above_budget),
        rules=len(rules.rules),
        refused=[RefusedRule(str(one.path), one.reason) for one in rules.refusals],
        detectors=[one.spec.name for one in [*fields, *behaviour]],
        seconds={**clock.seconds, **read.seconds, **judged.seconds},
        started=started,
        faults=[str(one) for one in [*modelled.faults, *read.faults, *judged.faults, *judged.lost]],
        suppressed=hidden,
    )


def _hidden(home: Home) -> int:
    """Firings that suppressions keep out of incidents."""
    # What the board withholds of a model is no suppression of anybody here.
    by_board = pl.col("rule_uid").str.starts_with("model.")
    found = home.records.findings().filter(~TOLD, ~by_board)
    return int(found["count"].sum())


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began


def judges(
    sigma: Detector, modelled: ModelJudges | None = None
) -> tuple[list[Detector], list[Detector]]:
    """Detectors that judge records as they are parsed, and those that judge the lake."""
    known = [one for one in detectors() if one.spec.name != sigma.spec.name]
    modelled = modelled or ModelJudges()
    fields = [sigma, *(one for one in known if one.spec.reads_fields), *modelled.fields]
    behaviour = [one for one in known if not one.spec.reads_fields]
    behaviour.extend(modelled.behaviour)
    if isinstance(sigma, SigmaDetector) and sigma.rules.correlations:
        behaviour.append(CorrelationDetector(sigma.rules))
    return fields, behaviour


def _states(home: Home, behaviour: Sequence[Detector]) -> dict[str, State]:
    return {one.spec.name: home.records.state(one.spec.name) for one in behaviour}


def last_commit(home: Home) -> int:
    """Number of the newest commit, 0 before the first."""
    return home.records.last_commit()


def judge_new(
    home: Home, behaviour: Sequence[Detector], progress: Progress
) -> tuple[Judged, tuple[int, int]]:
    """Judge what no scan has judged yet, also what one that was killed had read."""
    commits = unjudged(home)
    return judge_lake(home, behaviour, _states(home, behaviour), commits, progress), commits


def unjudged(home: Home) -> tuple[int, int]:
    """Commits that behaviour detectors have not judged: after the first and up to the second.

    The commit in which they said what they found holds nothing for them: were it judged, a watch
    over silent sources would commit with every round.
    """
    last = last_commit(home)
    said_in, judged = home.records.newest_fact("judged")
    if not isinstance(judged, int):
        return 0, last
    nothing_since = said_in == last == judged + 1
    return last if nothing_since else judged, last


def _learn(
    home: Home,
    options: ScanOptions,
    fields: Sequence[Detector],
    behaviour: Sequence[Detector],
    progress: Progress,
) -> None:
    """Read the baseline: its events enter every state, its findings the base rates alone."""
    read, commits_aside = ingest_baseline(home, options, fields, progress)
    said = [one.findings for one in commits_aside]
    hits = [one.states[SOURCE][HITS] for one in commits_aside if SOURCE in one.states]
    said += [usual(one, hits) for one in behaviour if isinstance(one, CorrelationDetector)]
    judged, commits = judge_new(home, behaviour, progress)
    ordinary = pl.concat([*said, judged.findings]).filter(TOLD)
    exposure = learned(ordinary, judged.cells, exposure_of(home))
    home.commit(
        Commit(
            states={**judged.states, TRIAGE_STATE: _exposure_state(exposure)},
            facts={"judged": commits[1], "baseline": sorted(read.batches)[:1000]},
        )
    )


def facts_of(options: ScanOptions) -> dict[str, object]:
    """What a replay has to know of the scan that read a batch."""
    return {"rules": [str(path.resolve()) for path in options.rules]}


def ingest_baseline(
    home: Home, options: ScanOptions, fields: Sequence[Detector], progress: Progress
) -> tuple[Ingested, list[Commit]]:
    """Read the baseline; what rules said of it and left for correlations is kept apart.

    The commits hold only that.
    """
    apart: list[Commit] = []

    def keep(commit: Commit) -> None:
        left = {name: tables for name, tables in commit.states.items() if name == SOURCE}
        apart.append(Commit(findings=commit.findings, states=left))

    read = ingest(home, options.baseline, fields, progress, facts=facts_of(options), aside=keep)
    return read, apart


def exposure_of(home: Home) -> Exposure:
    """Host-days and rule hits that the home remembers."""
    state = home.records.state(TRIAGE_STATE)
    fresh = Exposure()
    # A home that an older version wrote remembers in other columns: it learns anew.
    known = bool(state) and all(
        state[name].schema == table.schema
        for name, table in (("cells", fresh.cells), ("hits", fresh.hits))
    )
    return Exposure(state["cells"], state["hits"]) if known else fresh


def _exposure_state(exposure: Exposure) -> State:
    return {"cells": exposure.cells, "hits": exposure.hits}


def triage_home(home: Home, judged: Judged, options: ScanOptions) -> Triage:
    """Fuse all findings of the home, those just judged included, as people there teach."""
    # What was just said again with more stands in the place of what is stored.
    said = pl.concat([home.records.findings(), judged.findings])
    findings = said.unique("uid", keep="last", maintain_order=True).filter(TOLD)
    settings = TriageSettings(budget=options.budget)
    former = [load_incident(one) for one in home.records.incidents()]
    return triage(
        findings, judged.cells, exposure_of(home), settings, former, verdicts_of(home),
        groupings_of(home),
    )  # fmt: skip


def _in_time(home: Home, made: Triage, options: ScanOptions) -> Triage:
    """The same for the findings of a time range alone: an answer that is shown and not stored."""
    findings = home.records.findings(since=options.since, until=options.until).filter(TOLD)
    settings = TriageSettings(budget=options.budget)
    watched = made.exposure.cells.clear()
    return triage(
        findings, watched, made.exposure, settings, made.incidents, made.verdicts, made.groupings
    )


def publish(
    home: Home, judged: Judged, made: Triage, commits: tuple[int, int], budget: float = BUDGET
) -> None:
    """Commit what was judged, unless nothing has changed since the last scan.

    The commit says which incidents came within the budget just now, and which verdicts and
    groupings they were ranked by, so that each can be told and computed again later.
    """
    former = {one.uid: one for one in made.former}
    changed = [one for one in made.incidents if former.pop(one.uid, None) != one]
    if commits[0] == commits[1] and not (changed or former):
        return
    home.commit(
        Commit(
            findings=judged.findings,
            incidents=[stored_incident(one) for one in changed],
            gone_incidents=[*former],
            states={
                **judged.states,
                TRIAGE_STATE: _exposure_state(made.exposure),
                **states_of(made.verdicts),
                **states_of_groupings(made.groupings),
            },
            facts={
                "judged": commits[1],
                "judged_from": commits[0],
                "told": _newly_told(made.former, made.incidents),
                "budget": budget,
                "verdicts": verdict_facts(made.verdicts),
                "groupings": grouping_facts(made.groupings),
            },
        )
    )


def _newly_told(former: Sequence[Incident], incidents: Sequence[Incident]) -> list[str]:
    """Incidents that are within the budget and were not before."""
    known = {one.uid for one in former if one.above_budget}
    return [one.uid for one in incidents if one.above_budget and one.uid not in known]


def touched(
    incidents: Sequence[Incident], findings: pl.DataFrame, batches: Mapping[str, int]
) -> list[Incident]:
    """Incidents that rest on any event of the batches."""
    uids = (
        findings.select("uid", pl.col("evidence").alias("event"))
        .explode("event")
        .filter(pl.col("event").str.split(":").list.first().is_in(list(batches)))["uid"]
    )
    mine = set(uids.to_list())
    return [one for one in incidents if mine.intersection(one.findings)]
