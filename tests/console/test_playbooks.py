"""Playbooks: valid CACAO 2.0, chosen by techniques, filled with what is safe to copy."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.console.permissions import Role
from hauberk.console.playbooks import Playbook, filled, library, proposed, steps
from hauberk.events import technique_name
from hauberk.triage import Incident

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
IDENTIFIER = re.compile(
    r"[a-z][a-z0-9-]+[a-z0-9]--[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
)
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
TYPES = {"notification", "detection", "investigation", "prevention", "mitigation", "remediation"}
BOOKS = list(library().values())


def incident(techniques: list[str], *entities: str) -> Incident:
    return Incident(
        uid="a" * 24, title="", probability=0.5, prior_bits=0, tactic_bits=0, start=NOW, end=NOW,
        entities=entities, techniques=techniques, tactics=[], findings=["f"], event_count=1,
        reasons=[], links=[], narrative="", above_budget=True, severity_id=1,
    )  # fmt: skip


@pytest.mark.parametrize("book", BOOKS, ids=lambda one: one.name)
def test_a_playbook_has_what_the_specification_requires(book: Playbook) -> None:
    for body in (book.body, filled(book, incident(["T1110"], "host:ws1"), NOW)):
        assert (body["type"], body["spec_version"]) == ("playbook", "cacao-2.0")
        assert body["id"].startswith("playbook--")
        assert body["created_by"].startswith("identity--")
        assert body["name"]
        assert body["description"]
        assert STAMP.fullmatch(body["created"])
        assert body["modified"] >= body["created"]
        assert set(body["playbook_types"]) <= TYPES
        flow, place, told = body["workflow"], body["workflow_start"], []
        assert flow[place]["type"] == "start"
        while flow[place]["type"] != "end":
            told.append(place)
            assert not {"on_success", "on_failure"} & set(flow[place])
            place = flow[place]["on_completion"]
        assert {*told, place} == set(flow)
        assert len(told) > 3
        ids = [body["id"], body["created_by"], *flow, *body["agent_definitions"]]
        assert all(IDENTIFIER.fullmatch(one) for one in ids)
        assert len({one.partition("--")[2] for one in ids}) == len(ids)
        actions = [flow[one] for one in told[1:]]
        assert all(flow[one]["type"] == one.partition("--")[0] for one in flow)
        done = {command["playbook_activity"] for one in actions for command in one["commands"]}
        assert done == set(body["playbook_activities"])
        assert {one["agent"] for one in actions} == set(body["agent_definitions"])
        assert {c["type"] for one in actions for c in one["commands"]} == {"manual"}
        used = set(re.findall(r"__[a-z]+__(?=:value)", json.dumps(flow)))
        assert used <= set(body["playbook_variables"]) <= used | {"__incident__"}
        for label in body["labels"]:
            if label.startswith("attack."):
                assert technique_name(label.removeprefix("attack.").upper())
    assert len({one.body["id"] for one in BOOKS}) == len(BOOKS) >= 8


def _schemas(folder: Path) -> Iterator[tuple[str, Any]]:
    for path in sorted(folder.rglob("schemas/**/*.json")):
        found = json.loads(path.read_text("utf-8"))
        if isinstance(found, dict) and "$id" in found:
            yield found["$id"], found


def test_playbooks_hold_against_published_schemas(shared_data: Callable[[str], Path]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    referencing = pytest.importorskip("referencing")
    known = dict(_schemas(shared_data("cacao-playbooks")))
    registry = referencing.Registry().with_resources(
        (uid, referencing.Resource.from_contents(one)) for uid, one in known.items()
    )
    top = next(one for uid, one in known.items() if uid.endswith("/schemas/playbook.json"))
    validator = jsonschema.Draft7Validator(top, registry=registry)
    for book in BOOKS:
        assert not list(validator.iter_errors(book.body)), book.name
        made = filled(book, incident(["T1110"], "host:ws1"), NOW)
        assert not list(validator.iter_errors(made)), book.name
    assert list(validator.iter_errors({**BOOKS[0].body, "type": "other"}))


@pytest.mark.parametrize(
    ("techniques", "entity", "name"),
    [
        (["T1110.003"], "user:ann", "brute_force"),
        (["T1486", "T1490"], "host:ws1", "ransomware"),
        (["T1003.001"], "host:ws1", "credential_theft"),
        (["T1071.004", "T1568.002"], "domain:x.test", "command_and_control"),
        (["T1048.003"], "host:ws1", "exfiltration"),
        (["T1078.004", "T1526"], "principal:role/x", "cloud_key_theft"),
        (["T1566.001"], "mailbox:ann@corp", "phishing"),
        (["T1505.003", "T1190"], "host:web1", "exploited_service"),
        (["T1021.002", "T1570"], "host:ws1", "lateral_movement"),
        (["T1562.006", "T1565.001"], "user:ann", "defences_silenced"),
        (["T1078", "T1098"], "user:ann", "account_compromise"),
        (["T1059.001"], "host:ws1", "strange_program"),
    ],
)
def test_techniques_choose_the_playbook(techniques: list[str], entity: str, name: str) -> None:
    found = proposed(incident(techniques, entity))
    assert found[0].playbook.name == name
    assert set(found[0].techniques) <= set(techniques)


def test_what_no_playbook_is_about_gets_none() -> None:
    assert proposed(incident([], "host:ws1")) == []
    assert proposed(incident(["T9999"], "host:ws1")) == []


def test_commands_name_the_entities_and_own_addresses_are_hosts() -> None:
    one = incident(["T1021.002"], "user:CORP\\ann", "ip:10.1.2.3", "ip:198.51.100.7")
    text = " ".join(c for step in steps(library()["lateral_movement"], one) for c in step.commands)
    assert "disable CORP\\ann" in text
    assert "isolate 10.1.2.3" in text
    assert "block 198.51.100.7" in text
    assert "__" not in text


@given(st.text(max_size=60))
def test_what_a_shell_would_take_for_more_than_a_name_is_in_no_command(value: str) -> None:
    one = incident(["T1486"], f"host:{value}", "host:ws1")
    made = filled(library()["ransomware"], one, NOW)
    said = str(made["playbook_variables"]["__hosts__"]["value"])
    named = said.removesuffix(" and 1 more (see the incident)")
    for bad in ";|&`\"'<>*?!{}\n\x1b\u202e":
        assert bad not in named
    assert "$(" not in named
    assert not named.startswith("-")
    assert "ws1" in said


def test_a_playbook_is_taken_along_as_json(person: Callable[..., Any], incident: str) -> None:
    ann = person(Role.VIEWER)
    page = ann.browser.get(f"/incidents/{incident}").text
    assert "nothing here acts" in page
    assert "Ransomware, or data destroyed" in page
    answer = ann.browser.get(f"/incidents/{incident}/playbooks/ransomware")
    assert answer.headers["content-type"] == "application/json"
    assert "attachment" in answer.headers["content-disposition"]
    body = answer.json()
    assert body["derived_from"] == [library()["ransomware"].body["id"]]
    assert body["playbook_variables"]["__incident__"]["value"] == incident
    assert ann.browser.get(f"/incidents/{incident}/playbooks/nothing").status_code == 404
