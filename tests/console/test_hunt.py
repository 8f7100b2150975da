"""Hunting in the console: answers, charts, saved questions, and the audit trail of them."""

from collections.abc import Callable
from typing import Any

import pytest

from hauberk.console import Console, acts
from hauberk.console.charts import chart_of
from hauberk.console.permissions import Role
from hauberk.reports import Answer, Column

pytest.importorskip("duckdb", reason="the extra `hunt` is not installed")
pytest.importorskip("pytz", reason="the extra `hunt` is not installed")

COUNTS = "SELECT process.name, count(*) AS n FROM process_activity GROUP BY ALL ORDER BY n"


def told(console: Console, kind: str) -> list[dict[str, str]]:
    with console.database.read() as connection:
        return [one.said for one in acts.latest(connection, 50) if one.kind == kind]


def test_an_analyst_asks_and_the_trail_has_the_question(
    person: Callable[..., Any], console: Console
) -> None:
    answer = person(Role.ANALYST).post("/hunt", sql=COUNTS, since="2026-03-01T00:00")
    assert answer.status_code == 200
    assert "vssadmin.exe" in answer.text
    assert "n by name" in answer.text
    assert told(console, "hunt") == [{"sql": COUNTS, "since": "2026-03-01T00:00:00+00:00"}]


def test_an_answer_can_be_taken_along(person: Callable[..., Any]) -> None:
    analyst = person(Role.ANALYST)
    table = analyst.post("/hunt", **{"sql": "SELECT 1 AS a, '=cmd()' AS b", "as": "csv"})
    assert table.text == "a,b\n1,'=cmd()\n"
    assert table.headers["content-disposition"] == 'attachment; filename="hunt.csv"'
    lines = analyst.post("/hunt", **{"sql": "SELECT 1 AS a", "as": "json"})
    assert lines.text == '{"a": 1}\n'


def test_markup_in_an_answer_in_a_fault_and_in_a_name_stays_text(
    person: Callable[..., Any],
) -> None:
    analyst = person(Role.ANALYST)
    bad = "<script>alert(1)</script>"
    for sql in (f"SELECT '{bad}' AS \"{bad}\", 1 UNION SELECT 'x', 2", f"SELECT {bad}"):
        assert bad not in analyst.post("/hunt", sql=sql).text
    analyst.post("/hunt/saved", title=bad, sql=f"SELECT '{bad}'")
    page = analyst.browser.get("/hunt").text
    assert bad not in page
    assert "&lt;script&gt;" in page


def test_a_question_that_fails_is_kept_in_the_form_with_the_reason(
    person: Callable[..., Any],
) -> None:
    answer = person(Role.ANALYST).post("/hunt", sql="SELECT nope FROM events")
    assert answer.status_code == 400
    assert "nope" in answer.text
    assert "SELECT nope FROM events</textarea>" in answer.text
    line, mark = answer.text.partition('tabindex="0">LINE ')[2].partition("</pre>")[0].splitlines()
    assert mark.index("^") == len("LINE ") + line.index("nope")
    late = person(Role.RESPONDER).post("/hunt", sql="SELECT 1", since="tomorrow")
    assert "is no time" in late.text


def test_a_saved_hunt_is_everybodys_until_it_is_forgotten(
    person: Callable[..., Any], console: Console
) -> None:
    ada, ben = person(Role.ANALYST, name="ada"), person(Role.RESPONDER, name="ben")
    where = ada.post("/hunt/saved", title="Counts", sql=COUNTS).headers["location"]
    assert f"{COUNTS}</textarea>" in ben.browser.get(where).text
    uid = where.rpartition("=")[2]
    assert ben.post(f"/hunt/saved/{uid}/forget").status_code == 303
    assert ada.post(f"/hunt/saved/{uid}/forget").status_code == 409
    assert not console.hunts.saved()
    assert told(console, "hunt_saved")[0]["title"] == "Counts"
    assert told(console, "hunt_forgotten")[0]["hunt"] == uid


def test_too_many_hunts_at_once_are_asked_to_wait(
    person: Callable[..., Any], console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console.hunts._turn, "acquire", lambda timeout: False)
    answer = person(Role.ANALYST).post("/hunt", sql="SELECT 1")
    assert answer.status_code == 400
    assert "under way" in answer.text


def answer_of(kind: str, rows: list[list[Any]]) -> Answer:
    return Answer(
        [Column("x", kind), Column("n", "BIGINT")], rows, cut=False, seconds=0, confined=""
    )


def test_names_make_bars_and_times_make_a_line() -> None:
    bars = chart_of(answer_of("VARCHAR", [["a", 1], ["b", 4], [None, None]]))
    assert bars is not None
    assert [(one.label, one.share) for one in bars.bars] == [("a", 0.25), ("b", 1.0)]
    days = [["2026-03-03T00:00:00+00:00", 5], ["2026-03-02T00:00:00+00:00", 0]]
    line = chart_of(answer_of("TIMESTAMP WITH TIME ZONE", days))
    assert line is not None
    assert line.path == "M0.0 240.0 L1000.0 0.0"
    assert (line.first, line.last) == ("2026-03-02 00:00", "2026-03-03 00:00")


def test_what_has_no_chart_has_none() -> None:
    assert chart_of(answer_of("VARCHAR", [["a", 1]])) is None
    assert chart_of(answer_of("BIGINT", [[1, 1], [2, 2]])) is None
    assert chart_of(answer_of("TIMESTAMP", [["never", 1], ["ever", 2]])) is None
