"""Models over HTTP: those that may judge answer, where none may that is said, all is counted."""

import base64
import gzip
import json
import logging
import runpy
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hauberk.governance import Conditions
from hauberk.ingest.receivers import Tokens
from hauberk.models import Stage, Task, read_registry, register, rollback
from hauberk.serve.inference import TOKENS
from hauberk.serve.inference.counting import LATE_SECONDS, Requests
from hauberk.serve.inference.following import STALE_SECONDS, Following
from hauberk.serve.inference.judging import Judges
from hauberk.serve.inference.limits import Rate
from hauberk.store import Inbox

pytest.importorskip("starlette")
pytest.importorskip("httpx")

from starlette.testclient import TestClient

from hauberk.serve.inference.application import (
    Serving,
    application,
    openapi_document,
)

made: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "integration" / "judges.py"))
approved, raised = made["approved"], made["raised"]
made_up, ordinary, mail = made["made_up"], made["ordinary"], made["mail"]


@dataclass
class Asking:
    """One client of a served home."""

    home: Path
    serving: Serving
    client: TestClient
    token: str

    def judge(self, task: str, *records: object, **more: Any) -> Any:
        body = b"\n".join(json.dumps(one).encode() for one in records)
        return self.send(task, body, **more)

    def send(self, task: str, body: bytes, query: str = "", **headers: str) -> Any:
        given = {"authorization": f"Bearer {self.token}", **headers}
        return self.client.post(f"/v1/judge/{task}{query}", content=body, headers=given)

    def look(self) -> None:
        self.serving.following.look()


@dataclass
class Seconds:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def ask(request: pytest.FixtureRequest, seconds: Seconds) -> Callable[..., Asking]:
    name = "live" if "live" in request.fixturenames else "desk"
    home: Path = request.getfixturevalue(name).home.path

    def ask(per_minute: int = 6000) -> Asking:
        following = Following(home, monotonic=seconds)
        following.look()
        tokens = Tokens(home, TOKENS)
        clock = lambda: datetime.now(UTC)  # noqa: E731
        serving = Serving(
            Judges(following, Requests(home, clock, monotonic=seconds)),
            tokens, Rate(per_minute, monotonic=seconds), clock, at_once=2,
        )  # fmt: skip
        return Asking(home, serving, TestClient(application(serving)), tokens.make("mailgate"))

    return ask


Ask = Callable[..., Asking]


def lines(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(one) for one in answer.text.splitlines()]


def test_a_live_model_answers_with_verdict_reasons_and_the_artifact_that_says_so(
    live: Any, ask: Ask
) -> None:
    asking = ask()
    answer = asking.judge("domain", {"domain": f"www.{made_up(7777)}"})
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert said["verdict"] == "generated"
    assert said["flagged"] is True
    assert said["score"] >= said["threshold"]
    assert 0 < said["p"] <= 0.01
    assert said["probability"] > 0.5
    assert said["reasons"][0].keys() == {"what", "share"}
    assert (said["model"], said["stage"]) == ("tiny-domain@1.0.0", "live")
    assert list(read_registry(live.home).versions) == [said["artifact"]]
    several = asking.judge("domain", {"domain": made_up(8)}, {"domain": ordinary(3)})
    assert [one["verdict"] for one in lines(several)] == ["generated", "benign"]
    none = asking.judge("domain", {"domain": made_up(8)}, query="?reasons=0").json()
    assert none["reasons"] == []


def test_mails_and_executables_are_judged_as_a_scan_reads_them(desk: Any, ask: Ask) -> None:
    for task in (Task.MAIL, Task.EXECUTABLE):
        raised(desk, approved(desk, task), Stage.LIVE)
    asking = ask()
    raw = mail(made["PHISH"][0], 1)
    text = asking.judge("mail", {"mail": raw.decode()}).json()
    packed = asking.judge("mail", {"mail_base64": base64.b64encode(raw).decode()}).json()
    assert text == packed
    assert text["flagged"] is True
    numbers = {"SizeOfCode": 64, "NumberOfSections": 2, "filesize": 600}
    assert asking.judge("executable", {"numbers": numbers}).json()["flagged"] is True
    told = asking.judge("executable", {"executable_base64": base64.b64encode(b"no").decode()})
    assert told.status_code == 422
    assert "no Windows executable" in told.json()["error"]


def test_without_a_model_that_may_judge_the_answer_says_what_it_lacks(desk: Any, ask: Ask) -> None:
    none = ask().judge("domain", {"domain": "x.example"})
    assert none.status_code == 503
    assert none.json()["error"] == "no model may judge domains: there is no live model"
    unsigned = made["artifact"](desk.folder / "unsigned", Task.DOMAIN)
    register(desk.home, unsigned.folder, desk.keys["ada"])
    lacking = ask().judge("domain", {"domain": "x.example"}).json()["error"]
    assert "tiny-domain@1.0.0 is candidate: signature: model.sig: it is not signed" in lacking
    assert "approval: not granted" in lacking
    assert ask().client.get("/health").json() == {"judges": False}


def test_a_rollback_in_the_ledger_ends_a_models_answers_at_the_next_look(
    live: Any, ask: Ask, seconds: Seconds
) -> None:
    asking = ask()
    assert asking.judge("domain", {"domain": "x.example"}).status_code == 200
    rollback(live.home, Task.DOMAIN, reason="too loud")
    seconds.now += 1
    asking.look()
    told = asking.judge("domain", {"domain": "x.example"})
    assert told.status_code == 503
    assert "no live model" in told.json()["error"]


def test_files_that_were_altered_end_a_models_answers_without_an_entry(
    live: Any, ask: Ask, seconds: Seconds
) -> None:
    asking = ask()
    weights = next((live.home.path / "models").rglob("weights.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    seconds.now += 61
    asking.look()
    told = asking.judge("domain", {"domain": "x.example"})
    assert told.status_code == 503
    assert "tiny-domain@1.0.0" in told.json()["error"]
    assert "altered" in told.json()["error"]
    headers = {"authorization": f"Bearer {asking.token}"}
    listed = asking.client.get("/v1/models", headers=headers).json()
    assert [one["check"] for one in listed["refused"]] == ["files"]


def test_a_registry_that_cannot_be_followed_judges_no_more(
    live: Any, ask: Ask, seconds: Seconds
) -> None:
    asking = ask()
    (live.home.path / "keys" / "ledger.pub").unlink()
    seconds.now += STALE_SECONDS + 31
    asking.look()
    told = asking.judge("domain", {"domain": "x.example"})
    assert told.status_code == 503
    assert asking.serving.counts.nobody == 1


def test_a_canary_answers_for_its_share_and_nobody_for_the_rest(desk: Any, ask: Ask) -> None:
    raised(desk, approved(desk, Task.DOMAIN), Stage.CANARY, share=0.5)
    said = lines(ask().judge("domain", *[{"domain": ordinary(at)} for at in range(60)]))
    stages = [one.get("stage") for one in said]
    assert 10 < stages.count("canary") < 50
    rest = [one for one in said if "stage" not in one]
    assert all(one["verdict"] is None and "falls to the live model" in one["error"] for one in rest)


def test_shadows_and_models_that_only_observe_judge_and_are_not_heard(desk: Any, ask: Ask) -> None:
    raised(desk, approved(desk, Task.DOMAIN), Stage.SHADOW)
    shadow = ask().judge("domain", {"domain": "x.example"})
    assert shadow.status_code == 503
    only = Conditions(observe_only=True)
    raised(desk, approved(desk, Task.MAIL, conditions=only), Stage.LIVE)
    told = ask().judge("mail", {"mail": "Subject: x\n\nhi"})
    assert told.status_code == 503
    assert "only observes" in told.json()["error"]


def test_the_boards_daily_limit_holds_over_requests(desk: Any, ask: Ask) -> None:
    few = Conditions(max_findings_per_day=2)
    raised(desk, approved(desk, Task.DOMAIN, conditions=few), Stage.LIVE)
    asking = ask()
    for at in range(2):
        assert asking.judge("domain", {"domain": made_up(at)}).json()["flagged"] is True
    third = asking.judge("domain", {"domain": made_up(9)}).json()
    assert third["verdict"] is None
    assert "the board allows 2 findings a day" in third["error"]
    assert "score" not in third
    assert asking.judge("domain", {"domain": ordinary(1)}).json()["verdict"] == "benign"


def test_nobody_asks_without_a_token_of_their_own(live: Any, ask: Ask) -> None:
    asking = ask()
    source = Tokens(asking.home).make("mailgate")  # a source's token of the same name
    for token in ("", "x", source):
        answer = asking.send("domain", b"{}", authorization=f"Bearer {token}")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert asking.client.get("/v1/models").status_code == 401
    asking.serving.tokens.revoke("mailgate")
    assert asking.judge("domain", {"domain": "x.example"}).status_code == 401


@pytest.mark.parametrize(
    ("task", "body", "status", "word"),
    [
        ("url", b"{}", 404, "domain, mail, executable"),
        ("domain", b"", 400, "JSON object"),
        ("domain", b"[1]", 400, "JSON object"),
        ("domain", b'{"domain": 7}', 422, "record 1"),
        ("domain", b'{"domain": "x.example", "more": 1}', 422, "record 1"),
        ("domain", b'{"domain": "x.example"}\n{"domain": "localhost"}', 422, "record 2"),
        ("domain", b'{"domain": "x.example"}\n' * 300, 413, "256 records"),
        ("domain", b'{"mail": "x"}', 422, "domain"),
    ],
)
def test_a_body_that_is_no_records_is_refused_whole_and_says_where(
    live: Any, ask: Ask, task: str, body: bytes, status: int, word: str
) -> None:
    answer = ask().send(task, body)
    assert answer.status_code == status
    assert word in answer.json()["error"]


def test_bodies_are_bounded_as_sent_and_unpacked(live: Any, ask: Ask) -> None:
    asking = ask()
    bomb = gzip.compress(b" " * (40 << 20))
    headers = {"content-encoding": "gzip"}
    assert asking.send("domain", bomb, **headers).status_code == 413
    assert asking.send("domain", b" " * ((8 << 20) + 1)).status_code == 413
    small = gzip.compress(b'{"domain": "x.example"}')
    assert asking.send("domain", small, **headers).status_code == 200


def test_who_asks_too_much_is_told_when_to_come_back(live: Any, ask: Ask, seconds: Seconds) -> None:
    asking = ask(per_minute=10)
    ten = [{"domain": ordinary(at)} for at in range(10)]
    assert asking.judge("domain", *ten).status_code == 200
    late = asking.judge("domain", *ten[:5])
    assert late.status_code == 429
    assert late.headers["retry-after"] == "30"
    seconds.now += 30
    assert asking.judge("domain", *ten[:5]).status_code == 200
    never = asking.judge("domain", *ten, ten[0])
    assert never.status_code == 429
    assert "retry-after" not in never.headers


def test_what_cannot_be_counted_is_not_judged(
    live: Any, ask: Ask, seconds: Seconds, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = ask()

    def full(_self: Inbox, _records: object) -> None:
        raise OSError(28, "No space left on device")

    assert asking.judge("domain", {"domain": "x.example"}).status_code == 200
    with monkeypatch.context() as patch:
        patch.setattr(Inbox, "append", full)
        assert asking.serving.judges.requests.leave() == 0
        seconds.now += LATE_SECONDS / 2
        asking.look()
        assert asking.judge("domain", {"domain": "x.example"}).status_code == 200
        seconds.now += LATE_SECONDS / 2 + 1
        asking.look()
        told = asking.judge("domain", {"domain": "x.example"})
        assert told.status_code == 503
        assert "No space left" in told.json()["error"]
    assert asking.serving.judges.requests.leave() == 1
    assert asking.judge("domain", {"domain": "x.example"}).status_code == 200


def test_nothing_of_a_body_or_a_token_is_logged_or_stored(
    live: Any, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    asking = ask()
    with caplog.at_level(logging.DEBUG, logger="hauberk"):
        asking.judge("domain", {"domain": "verysecretname.example"})
        asking.send("domain", b"verysecretname")
    asking.serving.judges.requests.leave()
    assert "verysecretname" not in caplog.text
    for file in (asking.home / "inbox").rglob("*.jsonl"):
        data = file.read_bytes()
        assert b"verysecretname" not in data
        assert asking.token.encode() not in data


def test_the_openapi_document_tells_every_route_and_what_is_answered(live: Any, ask: Ask) -> None:
    said = json.loads(openapi_document())
    asking = ask()
    assert asking.client.get("/v1/openapi.json").json() == said
    routes = {route.path: route.methods for route in asking.client.app.routes}  # type: ignore[attr-defined]
    told = {path: {one.upper() for one in verbs} for path, verbs in said["paths"].items()}
    assert told == {path: methods - {"HEAD"} for path, methods in routes.items()}
    answer = ask().judge("domain", {"domain": "x.example"}).json()
    assert set(answer) == set(said["components"]["schemas"]["Answer"]["properties"]) - {"error"}
