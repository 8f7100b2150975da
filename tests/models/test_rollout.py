"""Up by signature, gates and grant; down at once; the same entity always gets the same arm."""

import time
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.errors import RefusedError
from hauberk.events import EventClass
from hauberk.governance import default_policy
from hauberk.models import (
    LoadedModel,
    Rate,
    Refusal,
    Stage,
    Task,
    Verdict,
    arm,
    compare,
    judge_canary,
    load,
    lower,
    promote,
    read_registry,
    rollback,
    watch_canary,
)
from hauberk.store import verify

GOOD = {name: Rate(1, 4000) for name in ("error", "flagged", "false_positive", "slow")}
LIVE = {name: Rate(10, 36000) for name in GOOD}


def test_each_step_is_an_event_and_a_ledger_entry(office: Any) -> None:
    version = office.live()
    moves = office.version(version.artifact).moves
    assert [move.stage for move in moves] == [Stage.SHADOW, Stage.CANARY, Stage.LIVE]
    events = office.home.lake.scan(EventClass.APPLICATION_LIFECYCLE).collect()
    steps = events.filter(pl.col("api.operation") == "promote").sort("metadata.uid")
    assert steps["model.after"].to_list() == ["shadow", "canary", "live"]
    assert steps["actor.user.name"].to_list() == ["sam"] * 3
    assert steps["ai_model.uid"].unique().to_list() == [version.artifact]
    assert verify(office.home.path).ok


def test_a_refused_promotion_is_an_event_too(office: Any) -> None:
    version = office.candidate()
    with pytest.raises(RefusedError):
        promote(office.home, office.keys["sam"], version)
    events = office.home.lake.scan(EventClass.APPLICATION_LIFECYCLE).collect()
    last = events.filter(pl.col("api.operation") == "promote")
    assert last["status_id"].to_list() == [2]
    assert "not signed" in last["message"][0]


def test_a_new_live_model_retires_the_old_and_rollback_puts_it_back(live_office: Any) -> None:
    office = live_office
    first = read_registry(office.home).named("tiny-domains")
    second = office.raised(office.approved(version="1.1.0"), Stage.CANARY)
    judgement = watch_canary(office.home, Task.DOMAIN, GOOD, LIVE)
    assert judgement is not None
    assert judgement.verdict is Verdict.GOOD
    office.raised(second, Stage.LIVE)
    assert office.version(first.artifact).stage is Stage.RETIRED
    began = time.perf_counter()
    target = rollback(office.home, Task.DOMAIN, reason="too loud")
    assert time.perf_counter() - began < 5
    assert target is not None
    assert target.artifact == first.artifact
    found = load(office.home, Task.DOMAIN)
    assert isinstance(found, LoadedModel)
    assert found.digest == first.artifact
    assert office.version(second.artifact).stage is Stage.RETIRED


def test_rollback_passes_over_what_may_not_be_loaded(live_office: Any) -> None:
    office = live_office
    first = read_registry(office.home).named("tiny-domains")
    second = office.raised(office.approved(version="1.1.0"), Stage.CANARY)
    watch_canary(office.home, Task.DOMAIN, GOOD, LIVE)
    office.raised(second, Stage.LIVE)
    weights = office.home.path / "models" / first.artifact / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    assert rollback(office.home, Task.DOMAIN, reason="too loud") is None
    found = load(office.home, Task.DOMAIN)
    assert isinstance(found, Refusal)
    assert found.absent


def test_rollback_to_rules_leaves_rules_alone(live_office: Any) -> None:
    assert rollback(live_office.home, Task.DOMAIN, reason="stop", to_rules=True) is None
    with pytest.raises(RefusedError, match="nothing to roll back"):
        rollback(live_office.home, Task.DOMAIN, reason="again")


def test_beside_a_live_model_only_a_canary_judged_good_goes_live(live_office: Any) -> None:
    office = live_office
    second = office.raised(office.approved(version="1.1.0"), Stage.CANARY)
    with pytest.raises(RefusedError, match="judged never"):
        promote(office.home, office.keys["sam"], second)
    few = {name: Rate(0, 60) for name in GOOD}
    watch_canary(office.home, Task.DOMAIN, few, LIVE)
    with pytest.raises(RefusedError, match="judged undecided"):
        promote(office.home, office.keys["sam"], second)


def test_a_harmful_canary_takes_itself_down(live_office: Any) -> None:
    office = live_office
    second = office.raised(office.approved(version="1.1.0"), Stage.CANARY)
    loud = {**GOOD, "flagged": Rate(800, 4000)}
    judgement = watch_canary(office.home, Task.DOMAIN, loud, LIVE)
    assert judgement is not None
    assert (judgement.verdict, judgement.worst) == (Verdict.HARMFUL, "flagged")
    now = office.version(second.artifact)
    assert now.stage is Stage.SHADOW
    assert now.moves[-1].by == "hauberk"
    assert read_registry(office.home).slot(Task.DOMAIN).canary is None


def test_only_one_canary_stands_for_a_task(live_office: Any) -> None:
    office = live_office
    office.raised(office.approved(version="1.1.0"), Stage.CANARY)
    third = office.raised(office.approved(version="1.2.0"), Stage.SHADOW)
    with pytest.raises(RefusedError, match="there is a canary already"):
        promote(office.home, office.keys["sam"], third)


def test_hauberk_never_raises_a_model_by_itself(office: Any) -> None:
    version = office.approved()
    with pytest.raises(RefusedError, match="no step leads down"):
        lower(office.home, version, Stage.SHADOW, reason="trick")


def test_an_arm_is_the_entitys_own_and_close_to_its_share() -> None:
    entities = pl.Series([f"host:ws{number}" for number in range(5000)])
    first = arm(entities, 0.1, "salt")
    assert first.to_list() == arm(entities, 0.1, "salt").to_list()
    assert 0.08 < (first.mean() or 0) < 0.12  # type: ignore[operator]
    assert first.to_list() != arm(entities, 0.1, "other").to_list()
    wider = arm(entities, 0.3, "salt")
    assert (wider | ~first).all()
    shuffled = arm(entities.reverse(), 0.1, "salt")
    assert shuffled.reverse().to_list() == first.to_list()


def test_an_event_without_an_entity_goes_to_the_live_model() -> None:
    assert arm(pl.Series(["a", None, "a"]), 1.0, "s").to_list() == [True, False, True]


@settings(max_examples=200, deadline=None)
@given(
    st.integers(50, 5000),
    st.integers(50, 5000),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 0.1),
)
def test_evidence_only_grows(
    seen: int, others: int, bad: float, worse: float, margin: float
) -> None:
    live, canary = Rate(int(others * bad), others), Rate(int(seen * worse), seen)
    first = compare(canary, live, tolerated=margin, alpha=0.01)
    again = compare(live, live, tolerated=margin, alpha=0.01, before=first.p_value)
    assert 0 <= first.p_value <= 1
    assert again.p_value <= first.p_value
    if canary.share <= live.share + margin:
        assert not first.harmful


def test_looking_often_raises_no_false_alarms() -> None:
    random = np.random.default_rng(7)
    alarms = 0
    for _ in range(200):
        before = 1.0
        canary, live = Rate(), Rate()
        for _ in range(100):
            canary = canary.plus(Rate(int(random.binomial(20, 0.05)), 20))
            live = live.plus(Rate(int(random.binomial(180, 0.05)), 180))
            look = compare(canary, live, tolerated=0.0, alpha=0.05, before=before)
            before = look.p_value
        alarms += before <= 0.05
    # 5 % of 200 are 10; three standard deviations above are 19.
    assert alarms <= 19


def test_real_harm_is_seen_within_a_thousand_entities() -> None:
    random = np.random.default_rng(7)
    seen = []
    for _ in range(50):
        canary, live, before = Rate(), Rate(), 1.0
        while canary.seen < 1000:
            canary = canary.plus(Rate(int(random.binomial(20, 0.15)), 20))
            live = live.plus(Rate(int(random.binomial(180, 0.02)), 180))
            before = compare(canary, live, tolerated=0.02, alpha=0.01, before=before).p_value
            if before <= 0.01:
                break
        seen.append(canary.seen)
    assert sorted(seen)[45] < 1000


def test_good_takes_enough_entities() -> None:
    rollout = default_policy().rollout
    few = {name: Rate(0, rollout.min_entities - 1) for name in GOOD}
    assert judge_canary(rollout, few, LIVE).verdict is Verdict.UNDECIDED
    assert judge_canary(rollout, GOOD, LIVE).verdict is Verdict.GOOD
