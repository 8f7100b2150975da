"""Verdicts as labels for training, with weight and provenance; questions of gold; proposals."""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from hauberk.errors import UsageError
from hauberk.events import TIME
from hauberk.store import Home
from hauberk.triage import CLASSES, Incident, Measured, Verdicts, cohen, krippendorff, wilson

from .acts import leave
from .incidents import load_incident
from .suppressions import MADE
from .verdicts import GOLD, VERDICT, verdicts_of

QUESTION_RATE = 20
"""Verdicts of an analyst for each question of gold that is asked."""

PROPOSAL_DAYS = 30
"""Days that a proposed suppression waits for somebody who answers for it."""

LABEL_SCHEMA = pl.Schema(
    {
        "incident": pl.String(),
        "finding": pl.String(),
        "analytic": pl.String(),  # rule uid, or the detector's name
        "events": pl.List(pl.String()),  # metadata.uid
        "label": pl.String(),  # the most probable of CLASSES
        "threat": pl.Float64(),  # how probable it is that it was one
        "weight": pl.Float64(),  # 0 (a coin's toss) to 1
        "share": pl.Float64(),  # of the incident's evidence that is this finding's
        "by": pl.List(pl.String()),
        "said": pl.List(pl.String()),  # in the order of `by`
        "at": TIME,  # of the last verdict
        "agreement": pl.Float64(),  # share of those who judged it that said the label
        "gold": pl.Boolean(),
        "acts": pl.List(pl.String()),
        "positions": pl.List(pl.Int64()),  # in the ledger
    }
)
"""One row is one finding of an incident that somebody judged."""


def labels_of(home_path: Path, *, names: bool = False) -> pl.DataFrame:
    """All labels of a home (LABEL_SCHEMA). Analysts under pseudonyms, unless `names`.

    Raises UsageError where there is no home.
    """
    with Home.open(home_path, read_only=True) as home:
        verdicts = verdicts_of(home)
        called = _same if names else _Pseudonyms(home.path)
        known = _incidents(home)
        rows = [
            row
            for judged in _judged(verdicts)
            for row in _rows(home, judged, known.get(judged.incident), called)
        ]
    return pl.DataFrame(rows, schema=LABEL_SCHEMA, orient="row")


@dataclass(frozen=True, slots=True)
class _Judged:
    """An incident as all who judged it see it."""

    incident: str
    label: str
    threat: float
    gold: bool
    given: pl.DataFrame


def _judged(verdicts: Verdicts) -> Iterator[_Judged]:
    truth = verdicts.truth
    gold = set(verdicts.gold["incident"])
    last = verdicts.given.sort("position").unique(["incident", "by"], keep="last")
    for at, incident in enumerate(truth.incidents):
        chances = truth.posterior[at]
        given = last.filter(pl.col("incident") == incident).sort("position")
        label = CLASSES[int(chances.argmax())]
        yield _Judged(incident, label, float(chances[0]), incident in gold, given)


def _incidents(home: Home) -> dict[str, Incident]:
    """Incidents by their uids, and by those that they go on for."""
    found: dict[str, Incident] = {}
    for stored in home.records.each_incident():
        one = load_incident(stored)
        for uid in one.supersedes:
            found.setdefault(uid, one)
        found[one.uid] = one
    return found


def _rows(
    home: Home, judged: _Judged, incident: Incident | None, called: "_Pseudonyms | type[str]"
) -> list[dict[str, object]]:
    if incident is None:
        return []
    bits = {one.finding_uid: max(0.0, one.bits) for one in incident.reasons if one.finding_uid}
    total = sum(bits.values()) or 1.0
    columns = ("rule_uid", "detector", "kind", "evidence")
    found = home.records.findings_within(incident.findings, columns, incident.start, incident.end)
    said = judged.given["verdict"].to_list()
    common: dict[str, object] = {
        "incident": judged.incident,
        "label": judged.label,
        "threat": round(judged.threat, 6),
        "weight": round(abs(2 * judged.threat - 1), 6),
        "by": [called(name) for name in judged.given["by"].to_list()],
        "said": said,
        "at": judged.given["at"].max(),
        "agreement": said.count(judged.label) / len(said) if said else 0.0,
        "gold": judged.gold,
        "acts": judged.given["act"].to_list(),
        "positions": judged.given["position"].to_list(),
    }
    return [
        {
            **common,
            "finding": row["uid"],
            "analytic": row["rule_uid"] or row["detector"],
            "events": row["evidence"],
            "share": round(bits.get(row["uid"], 0.0) / total, 6),
        }
        for row in found.iter_rows(named=True)
    ]


_same = str


class _Pseudonyms:
    """Names as `analyst-…`: the same in one home, and not to be guessed without its key."""

    def __init__(self, home: Path) -> None:
        path = home / "keys" / "pseudonyms.key"
        with suppress(FileExistsError):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(32))
        self._key = path.read_bytes()

    def __call__(self, name: str) -> str:
        return "analyst-" + hmac.new(self._key, name.encode(), hashlib.sha256).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class AnalystQuality:
    """One analyst: how many incidents they judged, how reliable they seem, what gold says."""

    name: str
    judged: int
    reliability: float
    gold: Measured


@dataclass(frozen=True, slots=True)
class LabelQuality:
    """How good the labels of a home are; `alpha` is None where nobody judged the same."""

    incidents: int
    verdicts: int
    alpha: Measured | None
    pairs: Mapping[tuple[str, str], Measured]
    analysts: Sequence[AnalystQuality]


def label_quality(home_path: Path) -> LabelQuality:
    """Disagreement of analysts and their answers to gold questions, from the ledger."""
    with Home.open(home_path, read_only=True) as home:
        verdicts = verdicts_of(home)
    truth = dict(verdicts.gold.sort("position").select("incident", "threat").iter_rows())
    reliability = verdicts.truth.reliability()
    analysts = []
    for name in sorted(reliability):
        mine = verdicts.answers.filter(pl.col("by") == name)
        asked = mine.filter(pl.col("incident").is_in(list(truth)))
        right = sum(
            (verdict == CLASSES[0]) == truth[incident]
            for incident, verdict in asked.select("incident", "verdict").iter_rows()
        )
        analysts.append(
            AnalystQuality(name, mine.height, reliability[name], wilson(right, asked.height))
        )
    return LabelQuality(
        len(verdicts.truth.incidents),
        verdicts.answers.height,
        krippendorff(verdicts.answers),
        cohen(verdicts.answers),
        analysts,
    )


def mark_gold(home_path: Path, reference: str, *, threat: bool, by: str, reason: str) -> str:
    """Say what is known of an incident, named by its uid or the start of it; the uid.

    Raises UsageError where there is no such incident, or no reason is given.
    """
    if not reason.strip():
        raise UsageError("say how it is known", where="--reason")
    with Home.open(home_path, read_only=True) as home:
        found = home.records.incident(reference) if reference else None
    if found is None:
        raise UsageError(f"no incident begins with {reference!r}")
    entry = {"type": GOLD, "by": by, "incident": found.uid, "reason": reason[:4000]}
    leave(home_path, "cli", [{**entry, "truth": "true" if threat else "false"}])
    return found.uid


def gold_question(verdicts: Verdicts, analyst: str, rate: int = QUESTION_RATE) -> str | None:
    """The incident of known truth to ask an analyst about now; None where none is due.

    One for each `rate` verdicts; never one that they have answered or marked. Which one follows
    from the name, so that it stays the same until it is answered.
    """
    decided = verdicts.standing.filter(pl.col("by") == analyst).height
    given = verdicts.given.filter(pl.col("by") == analyst)
    asked = given.filter("question")["incident"].n_unique()
    if decided // rate <= asked:
        return None
    known = set(given["incident"]) | set(verdicts.gold.filter(pl.col("by") == analyst)["incident"])
    open_ones = set(verdicts.gold["incident"]) - known

    def order(uid: str) -> str:
        return hashlib.sha256(f"{analyst}\0{uid}".encode()).hexdigest()

    return min(open_ones, key=order, default=None)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A suppression that a verdict of `benign but expected` proposes: it holds for nobody yet."""

    act: str
    incident: str
    by: str
    at: datetime
    rule: str
    where: Mapping[str, str]
    reason: str


def proposals_of(home_path: Path, now: datetime) -> list[Proposal]:
    """Proposals that nobody has answered for yet, newest last.

    One is over once a suppression of its rule was made after it, or PROPOSAL_DAYS later.
    """
    found: list[Proposal] = []
    with Home.open(home_path, read_only=True) as home:
        for entry in home.ledger.entries():
            if entry.get("type") == VERDICT and entry.get("scope"):
                one = _proposal(entry)
                if one is not None:
                    found.append(one)
            elif entry.get("type") == MADE:
                found = [one for one in found if one.rule != entry.get("rule")]
    return [one for one in found if now - one.at <= timedelta(days=PROPOSAL_DAYS)]


def _proposal(entry: Mapping[str, object]) -> Proposal | None:
    try:
        scope = json.loads(str(entry["scope"]))
        where = {str(field): str(value) for field, value in scope["where"].items()}
        said = [str(entry[name]) for name in ("act", "incident", "by")]
        at = datetime.fromisoformat(str(entry["at"]))
        rule = str(scope["rule"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if entry.get("verdict") != CLASSES[1] or not where or at.tzinfo is None:
        return None
    return Proposal(said[0], said[1], said[2], at, rule, where, str(entry.get("reason", "")))
