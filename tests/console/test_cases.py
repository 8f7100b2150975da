"""What analysts decide: kept here, handed to the ledger once, whatever happens in between."""

from collections.abc import Callable
from typing import Any

import pytest

from hauberk.console import Console, acts
from hauberk.console.accounts import Refused
from hauberk.console.cases import Scope, State, Verdict
from hauberk.console.permissions import Role
from hauberk.pipeline import proposals_of, take_waiting
from hauberk.store import Home, verify


def entries(console: Console) -> list[dict[str, Any]]:
    with Home.open(console.reading.path, read_only=True) as home:
        return [one for one in home.ledger.entries() if str(one["type"]).startswith("console.")]


def test_a_verdict_with_its_reason_gets_into_the_ledger(
    console: Console, person: Callable[..., Any], incident: str
) -> None:
    ann = person(Role.ANALYST, name="ann")
    path = f"/incidents/{incident}"
    assert ann.post(f"{path}/assign", assignee="ann", seen="0").status_code == 303
    seen = console.cases.case(incident)[0].last_act
    answer = ann.post(f"{path}/verdict", verdict="true", reason="asked jlee", seen=str(seen))
    assert answer.status_code == 303
    page = ann.browser.get(path).text
    assert "decided: true" in page
    assert "asked jlee" in page
    assert "not in the ledger yet" in page
    console.handover.hand_over()
    assert "not in the ledger yet" not in ann.browser.get(path).text
    said = entries(console)[-1]
    assert (said["type"], said["by"], said["incident"]) == ("console.verdict", "ann", incident)
    assert (said["verdict"], said["verdict_id"], said["reason"]) == ("true", "2", "asked jlee")
    assert verify(console.reading.path).ok
    assert "0 incidents shown" in ann.browser.get("/").text
    assert "1 incident shown" in ann.browser.get("/?state=closed").text
    assert "1 of 1 incident within the budget decided" in ann.browser.get("/").text


def test_a_responder_works_on_incidents_and_judges_none(
    person: Callable[..., Any], incident: str
) -> None:
    somebody = person(Role.RESPONDER)
    assert somebody.post(f"/incidents/{incident}/comment", text="seen").status_code == 303
    assert somebody.post(f"/incidents/{incident}/verdict", verdict="true").status_code == 403
    assert "Decide and close" not in somebody.browser.get(f"/incidents/{incident}").text


def test_of_two_who_decide_at_once_the_second_is_told(console: Console, clock: Any) -> None:
    console.cases.judge("i", Verdict.FALSE, "a backup job", "ann", 0, clock())
    with pytest.raises(Refused, match="changed this incident meanwhile"):
        console.cases.judge("i", Verdict.TRUE, "no backup", "bo", 0, clock())
    assert console.cases.case("i")[0].verdict == "false"


def test_only_a_verdict_closes_and_what_is_closed_can_be_opened(
    console: Console, clock: Any
) -> None:
    with pytest.raises(Refused, match="closed by a verdict"):
        console.cases.set_state("i", State.CLOSED, "ann", 0, clock())
    with pytest.raises(Refused, match="needs a reason"):
        console.cases.judge("i", Verdict.TRUE, "  \n", "ann", 0, clock())
    console.cases.judge("i", Verdict.BENIGN, "patch day", "ann", 0, clock())
    case = console.cases.case("i")[0]
    assert (case.state, case.assignee) == (State.CLOSED, "ann")
    console.cases.set_state("i", State.IN_PROGRESS, "ann", case.last_act, clock())
    assert console.cases.case("i")[0].state is State.IN_PROGRESS


def test_nobody_is_assigned_who_may_not_work_on_incidents(
    console: Console, person: Callable[..., Any], clock: Any
) -> None:
    person(Role.VIEWER, name="vic", signed_in=False)
    for name in ("vic", "nobody", "<b>"):
        with pytest.raises(Refused, match="nobody who works"):
            console.cases.assign("i", name, "ann", 0, clock())


def test_acts_wait_while_the_home_is_locked_and_come_in_order(console: Console, clock: Any) -> None:
    with Home.open(console.reading.path):
        for number in range(5):
            console.cases.comment("i", f"comment {number}", "ann", clock())
        console.handover.hand_over()
        standing = console.handover.standing()
        assert standing.waiting == 5
        assert "works in this home" in standing.reason
    console.handover.hand_over()
    assert console.handover.standing().waiting == 0
    assert [one["text"] for one in entries(console)] == [f"comment {n}" for n in range(5)]


def test_whoever_writes_the_home_takes_acts_and_the_console_notes_it(
    console: Console, clock: Any
) -> None:
    with Home.open(console.reading.path) as home:
        console.cases.comment("i", "first", "ann", clock())
        console.handover.hand_over()
        assert take_waiting(home) == 1
        console.cases.comment("i", "second", "ann", clock())
        console.handover.hand_over()
        assert console.handover.standing().waiting == 1
        assert take_waiting(home) == 1
        console.handover.hand_over()
        assert console.handover.standing().waiting == 0
    assert [one["text"] for one in entries(console)] == ["first", "second"]


def test_acts_that_are_deleted_from_the_inbox_are_left_there_again(
    console: Console, clock: Any
) -> None:
    with Home.open(console.reading.path):
        console.cases.comment("i", "first", "ann", clock())
        console.handover.hand_over()
        for path in (console.reading.path / "inbox").rglob("*.jsonl"):
            path.unlink()
    console.handover.hand_over()
    assert [one["text"] for one in entries(console)] == ["first"]


def test_what_is_expected_can_be_proposed_to_be_suppressed(console: Console, clock: Any) -> None:
    scope = Scope("rule", {"User": "svc"})
    with pytest.raises(Refused, match="benign but expected"):
        console.cases.judge("i", Verdict.FALSE, "x", "ann", 0, clock(), scope)
    for rule, where in (("", {"User": "svc"}), ("rule", {}), ("rule", {"User": "x" * 5000})):
        with pytest.raises(Refused):
            Scope(rule, where)
    console.cases.judge("i", Verdict.BENIGN, "the backup", "ann", 0, clock(), scope)
    console.handover.hand_over()
    (one,) = proposals_of(console.reading.path, clock())
    assert (one.rule, one.where, one.by) == ("rule", {"User": "svc"}, "ann")


def test_an_answer_to_a_question_changes_no_case(console: Console, clock: Any) -> None:
    console.cases.judge("i", Verdict.TRUE, "x", "ann", 0, clock())
    console.cases.answer("i", Verdict.FALSE, "bo", clock())
    assert console.cases.case("i")[0].verdict == "true"
    console.handover.hand_over()
    assert entries(console)[-1]["type"] == "console.answer"


def test_a_process_that_died_before_it_noted_the_commit_doubles_nothing(
    console: Console, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.cases.comment("i", "first", "ann", clock())
    console.handover.hand_over()
    console.cases.comment("i", "second", "ann", clock())

    def died(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(acts, "mark_entered", died)
        with pytest.raises(KeyboardInterrupt):
            console.handover.hand_over()
    assert console.handover.standing().waiting == 1
    console.cases.comment("i", "third", "ann", clock())
    console.handover.hand_over()
    assert [one["text"] for one in entries(console)] == ["first", "second", "third"]
    assert console.handover.standing().waiting == 0


def test_an_act_that_is_altered_while_it_waits_is_named(console: Console, clock: Any) -> None:
    for text in ("one", "two", "three"):
        console.cases.comment("i", text, "ann", clock())
    with console.database.write() as connection:
        assert acts.broken_link(connection) is None
        connection.exec_driver_sql(
            "UPDATE acts SET body = replace(body, 'two', 'TWO') WHERE number = 2"
        )
        assert acts.broken_link(connection) == 2
        connection.exec_driver_sql("UPDATE acts SET entered = 1 WHERE number < 3")
        assert acts.broken_link(connection) is None  # what the ledger has is proved there
    with console.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM acts WHERE number = 2")
        assert acts.broken_link(connection) == 2
