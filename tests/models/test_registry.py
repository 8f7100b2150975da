"""The registry is the fold of the ledger: in any order of acts it keeps its invariants."""

import contextlib
import runpy
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hauberk.errors import HauberkError
from hauberk.models import (
    Rate,
    Registry,
    Stage,
    Task,
    fold,
    lower,
    promote,
    read_registry,
    revoke,
    rollback,
    vote,
    watch_canary,
)
from hauberk.models.registry import ENTRY_PREFIXES
from hauberk.store import Entry

Office: Any = runpy.run_path(str(Path(__file__).with_name("office.py")))["Office"]
NAMES = ("tiny-domains@1.0.0", "tiny-domains@1.1.0", "tiny-domains@1.2.0")
ACTS = ("promote", "promote", "retire", "lower", "rollback", "good", "bad", "reject", "approve")


def invariants(registry: Registry) -> None:
    """What holds of every registry, whatever led to it."""
    slot = registry.slot(Task.DOMAIN)
    live = [one.artifact for one in registry.versions.values() if one.stage is Stage.LIVE]
    canary = [one.artifact for one in registry.versions.values() if one.stage is Stage.CANARY]
    assert live == ([slot.live] if slot.live else [])
    assert canary == ([slot.canary] if slot.canary else [])
    for version in registry.versions.values():
        stages = [Stage.CANDIDATE, *(move.stage for move in version.moves)]
        for before, move in zip(stages, version.moves, strict=False):
            risen = move.stage in (Stage.SHADOW, Stage.CANARY, Stage.LIVE)
            if risen and before is not Stage.CANARY and move.stage is not Stage.LIVE:
                assert move.by != "hauberk"
        if version.revoked is not None:
            assert version.stage is Stage.RETIRED
    assert [entry for _, entry, _ in slot.history] == sorted({e for _, e, _ in slot.history})
    if slot.history:
        assert slot.history[-1][2] == slot.live
    assert registry.faults == []


@pytest.fixture(scope="module")
def three(staffed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("three") / "office"
    shutil.copytree(staffed, folder)
    office = Office.open(folder)
    with office.home:
        for version in ("1.0.0", "1.1.0", "1.2.0"):
            office.approved(version=version)
    return folder


def act(office: Any, what: str, version: Any) -> None:
    home, sam = office.home, office.keys["sam"]
    rates = {name: Rate(4, 4000) for name in ("error", "flagged", "slow")}
    if what == "promote":
        promote(home, sam, version)
    elif what == "retire":
        lower(home, version, Stage.RETIRED, reason="test")
    elif what == "lower":
        lower(home, version, Stage.SHADOW, reason="test")
    elif what == "rollback":
        rollback(home, Task.DOMAIN, reason="test")
    elif what == "good":
        watch_canary(home, Task.DOMAIN, rates, rates)
    elif what == "bad":
        watch_canary(home, Task.DOMAIN, {**rates, "error": Rate(999, 4000)}, rates)
    elif what == "revoke":
        revoke(home, sam, version, "test")
    else:
        vote(home, office.keys["pia"], version, approve=what == "approve")


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from((*ACTS, "revoke")), st.sampled_from(NAMES)), max_size=10))
def test_no_order_of_acts_breaks_what_holds(
    three: Path, tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("walk") / "office"
    shutil.copytree(three, folder)
    office = Office.open(folder)
    with office.home:
        for what, name in steps:
            office.clock.pass_by(minutes=1)
            version = read_registry(office.home).named(name)
            with contextlib.suppress(HauberkError):
                act(office, what, version)
            invariants(read_registry(office.home))


def test_the_registry_of_a_former_time_is_the_fold_of_the_entries_until_then(
    live_office: Any,
) -> None:
    home = live_office.home
    entries = home.proven_entries(ENTRY_PREFIXES)
    whole = read_registry(home)
    assert whole.slot(Task.DOMAIN).live is not None
    for cut in range(len(entries) + 1):
        part = fold(entries[:cut], home.origin)
        invariants(part)
        again = fold(entries[:cut], home.origin, until=entries[-1].time)
        assert part.slot(Task.DOMAIN) == again.slot(Task.DOMAIN)
    live_office.clock.pass_by(days=1)
    rollback(home, Task.DOMAIN, reason="test", to_rules=True)
    then = read_registry(home, until=entries[-1].time)
    assert then.slot(Task.DOMAIN).live == whole.slot(Task.DOMAIN).live
    assert read_registry(home).slot(Task.DOMAIN).live is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["artifact", "from", "to", "task", "home", "key"]), inner)
    ),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(
        ["model.registered", "model.moved", "model.rolled_back", "model.signed", "board.vote",
         "model.key_trusted", "model.key_revoked", "model.revoked", "model.canary_judged"]
    ),
    JSON,
    JSON,
)  # fmt: skip
def test_no_entry_makes_the_fold_fail_or_moves_anything(
    kind: str, statement: object, signatures: object
) -> None:
    if isinstance(statement, dict):
        statement = {**statement, "home": "h"}
    body = {"statement": statement, "signatures": signatures}
    registry = fold([Entry(0, kind, datetime(2026, 3, 3, tzinfo=UTC), body)], "h")
    assert registry.versions == {}
    assert registry.keys == {}
    assert all(slot.live is None for slot in registry.slots.values())


@pytest.mark.parametrize("kind", ["board.vote", "model.moved", "model.registered", "person.added"])
def test_an_entry_changed_after_signing_moves_nothing(live_office: Any, kind: str) -> None:
    """As somebody would do who holds the ledger's own key and writes it anew."""
    home = live_office.home
    entries = home.proven_entries(ENTRY_PREFIXES)
    at = max(index for index, entry in enumerate(entries) if entry.type == kind)
    body = {**entries[at].body, "statement": {**entries[at].body["statement"], "comment": "!"}}
    forged = [*entries]
    forged[at] = Entry(entries[at].position, kind, entries[at].time, body)
    registry = fold(forged, home.origin)
    assert registry.faults[0].position == entries[at].position
    assert "does not hold" in registry.faults[0].reason
