"""The API: it does what the pages do, and is as its own document says."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from hauberk.console import Console
from hauberk.console.permissions import Role
from hauberk.console.routes.api import openapi
from hauberk.console.tokens import SCOPES

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
checks = pytest.importorskip("schemathesis.specs.openapi.checks")


@pytest.fixture
def program(
    console: Console, person: Callable[..., Any], browser: Callable[[], TestClient], clock: Any
) -> TestClient:
    """A program with a token for everything."""
    everything = person(*Role, name="all")
    visitor = console.sessions.visitor(everything.browser.cookies["__Host-hauberk"], clock())
    assert visitor is not None
    token = console.tokens.make(visitor, "test", [one.value for one in SCOPES], 7, clock())
    made = browser()
    made.headers["authorization"] = f"Bearer {token}"
    return made


def test_an_incident_from_list_to_verdict(
    program: TestClient, console: Console, incident: str
) -> None:
    [listed] = program.get("/api/v1/incidents").json()["incidents"]
    assert listed["uid"] == incident
    assert listed["state"] == "new"
    whole = program.get(f"/api/v1/incidents/{incident}").json()
    assert whole["title"] == listed["title"]
    assert whole["start"].endswith("Z")
    assert whole["reasons"]
    where = f"/api/v1/incidents/{incident}"
    said = program.post(f"{where}/assign", json={"assignee": "all", "seen": 0}).json()
    assert said["case"]["state"] == "in progress"
    late = program.post(f"{where}/state", json={"state": "on hold", "seen": 0})
    assert late.status_code == 409
    assert "Somebody else" in late.json()["detail"]
    seen = said["case"]["last_act"]
    sent = {"verdict": "true", "reason": "seen it", "seen": seen}
    judged = program.post(f"{where}/verdict", json=sent).json()
    assert judged["case"]["state"] == "closed"
    assert [one["kind"] for one in judged["history"]] == ["assigned", "verdict"]
    assert {one["by"] for one in judged["history"]} == {"all"}
    assert console.cases.case(incident)[0].verdict == "true"
    assert program.get("/api/v1/incidents").json()["incidents"] == []
    assert program.get("/api/v1/measures").json()["verdicts"] == {"true": 1}


def test_findings_and_the_records_behind_them(program: TestClient, incident: str) -> None:
    where = f"/api/v1/incidents/{incident}/findings"
    found = program.get(where).json()
    assert found["findings"]
    assert found["left_out"] == 0
    uid = found["findings"][0]["uid"]
    evidence = program.get(f"{where}/{uid}").json()
    assert "ws07" in evidence["events"][0]["raw"]
    assert program.get(f"{where}/none").status_code == 404


def test_a_hunt_answers_in_rows_or_says_why_not(program: TestClient) -> None:
    pytest.importorskip("duckdb", reason="the extra `hunt` is not installed")
    asked = {"sql": "SELECT count(*) AS n, NULL AS nothing FROM events"}
    answer = program.post("/api/v1/hunt", json=asked).json()
    assert [one["name"] for one in answer["columns"]] == ["n", "nothing"]
    assert answer["rows"][0][1] is None
    refused = program.post("/api/v1/hunt", json={"sql": "COPY events TO '/tmp/x'"})
    assert refused.status_code == 400
    assert refused.headers["content-type"] == "application/problem+json"


def test_health_and_rules(program: TestClient) -> None:
    health = program.get("/api/v1/health").json()
    assert sum(one["records"] for one in health["formats"]) == 5
    rules = program.get("/api/v1/detections", params={"here": "fired"}).json()
    assert rules["found"] == len(rules["rules"]) > 0
    assert all(one["firings"] for one in rules["rules"])


def test_the_document_is_for_those_who_are_known(
    program: TestClient, browser: Callable[[], TestClient]
) -> None:
    assert program.get("/api/v1/openapi.json").json() == openapi()
    assert browser().get("/api/v1/openapi.json").status_code == 401


@pytest.mark.filterwarnings("ignore")
def test_every_answer_is_as_the_document_says(program: TestClient, incident: str) -> None:
    schema = schemathesis.openapi.from_dict(openapi())
    operations = [one.ok() for one in schema.get_all_operations()]
    assert len(operations) >= 12
    statuses: set[int] = set()
    for operation in operations:
        cases = operation.as_strategy(generation_mode=schemathesis.GenerationMode.POSITIVE)
        if "/{uid}" in operation.path:
            known = operation.as_strategy()
            cases = st.one_of(cases, known.map(lambda case: _of(case, incident)))

        @settings(
            max_examples=6, deadline=None, database=None, derandomize=True,
            phases=[Phase.generate], suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=cases)
        def check(case: Any) -> None:
            sent = case.as_transport_kwargs(base_url="https://localhost")
            kept = {name: sent[name] for name in ("params", "json", "content") if name in sent}
            if isinstance(sent.get("data"), bytes):
                kept["content"] = sent["data"]
            kept["headers"] = {"content-type": "application/json"} if case.body else {}
            answer = program.request(sent["method"], sent["url"], **kept)
            statuses.add(answer.status_code)
            case.validate_response(
                answer,
                checks=[
                    schemathesis.checks.not_a_server_error,
                    checks.status_code_conformance,
                    checks.content_type_conformance,
                    checks.response_schema_conformance,
                ],
            )

        check()
    assert 200 in statuses
    assert max(statuses) < 500


def _of(case: Any, incident: str) -> Any:
    case.path_parameters["uid"] = incident
    return case
