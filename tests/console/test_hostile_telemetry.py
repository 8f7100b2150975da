"""Telemetry that tries to be more than text, on every page that each role gets to."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.console.hostile import CANARY, hostile_home, inert, shape, walk

from hauberk.console import Console, application
from hauberk.console.permissions import ROLES, Permission, Role
from hauberk.reports import CATALOGUE


@pytest.fixture(scope="module")
def poisoned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hostile_home(tmp_path_factory.mktemp("hostile"))


@pytest.fixture
def home(poisoned: Path, tmp_path: Path) -> Iterator[Path]:
    """In place of the home that other tests have."""
    yield Path(shutil.copytree(poisoned, tmp_path / "home"))
    shutil.rmtree(tmp_path / "home")


@pytest.fixture
def browser(console: Console) -> Callable[[], TestClient]:
    app = application(console, ["localhost"])
    return lambda: TestClient(app, base_url="https://localhost", follow_redirects=False)


def getter(somebody: Any) -> Callable[[str], tuple[int, str, str]]:
    def get(path: str) -> tuple[int, str, str]:
        answer = somebody.browser.get(path)
        kept = answer.headers["cache-control"]
        assert kept == "no-store" or path.startswith("/static/"), (path, kept)
        assert CANARY not in str(answer.headers), path
        return answer.status_code, answer.headers["content-type"], answer.text

    return get


def test_payloads_in_every_field_are_text_on_every_page(
    person: Callable[..., Any], console: Console
) -> None:
    incidents = console.reading.index.incidents["uid"].to_list()
    assert len(incidents) > 50
    everybody = person(*Role, name="all")
    start = ["/account", "/?state=all&below=1", *(f"/incidents/{one}" for one in incidents[::6])]
    pages = walk(getter(everybody), start, of_each=24)
    shown = {shape(path) for path, read in pages.items() if CANARY in read.text}
    evidence = "/incidents/*/findings/*"
    assert {"/", "/incidents/*", evidence, "/detections", "/detections/rules/*", "/health"} <= shown
    for path in [one for one in pages if shape(one) in ("/", evidence, "/incidents/*")]:
        inert(everybody.browser.get(path, headers={"HX-Request": "true"}).text, path)


def test_payloads_in_answers_of_hunts_are_text_in_the_page(person: Callable[..., Any]) -> None:
    analyst = person(Role.ANALYST)
    shown = 0
    for table in ("events", "findings", "incidents", "process_activity", "email_activity"):
        assert table in CATALOGUE
        answer = analyst.post("/hunt", sql=f'SELECT * FROM "{table}" LIMIT 40')
        assert answer.status_code == 200, (table, answer.text[-3000:])
        shown += CANARY in inert(answer.text, table).text
    assert shown == 5
    named = analyst.post("/hunt", sql=f'SELECT 1 AS "<script>{CANARY}</script>", \'x\' AS "a\x1b"')
    inert(named.text, "names of columns")


@pytest.mark.parametrize("role", Role)
def test_what_each_role_gets_to_is_inert(role: Role, person: Callable[..., Any]) -> None:
    start = ["/account", *(["/?below=1"] if Permission.READ_INCIDENTS in ROLES[role] else [])]
    pages = walk(getter(person(role)), start, of_each=2)
    assert len(pages) > 2
    read = any(shape(path) == "/incidents/*" for path in pages)
    assert read == (Permission.READ_INCIDENTS in ROLES[role])
    raw = any(shape(path) == "/incidents/*/findings/*" for path in pages)
    assert raw == (Permission.READ_EVIDENCE in ROLES[role])
