"""Outputs to a server that answers a bulk item by item, as Elasticsearch does."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from tests.cli.commands import run
from tests.reports.outputs.conftest import Receiver, message, say
from tests.reports.outputs.test_running import (
    bodies,
    quick,
    running_outputs,
    status,
    until,
)

from hauberk.reports.outputs import NotSentError, Output, letters_path, running, sender_of
from hauberk.serve.doctor import Grade, examine

Configured = Callable[..., list[Output]]
Item = tuple[int, str, str]
"""Status, type and reason of what is said of one document."""

SECONDS = 60.0
MAPPING: Item = (400, "document_parsing_exception", "[1:2] failed to parse field [x] of type [ip]")
BUSY: Item = (429, "es_rejected_execution_exception", "rejected execution of coordinating op")
UNSEEN: Item = (403, "security_exception", "action [create] is unauthorized for this index")
NO_INDEX: Item = (404, "index_not_found_exception", "no such index [other]")
BLOCKED: Item = (403, "cluster_block_exception", "index [h] blocked by: [disk usage exceeded]")

__all__ = ["quick"]


@dataclass
class Index:
    """Documents by id; `says` what becomes of one by its uid and how often it came before."""

    says: Callable[[str, int], Item | None]
    documents: dict[str, str] = field(default_factory=dict)
    came: Counter[str] = field(default_factory=Counter)

    def __call__(self, body: bytes, _headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        lines = [orjson.loads(line) for line in body.splitlines()]
        items = [
            self._item(action["create"]["_id"], said["finding_info"]["uid"])
            for action, said in zip(lines[::2], lines[1::2], strict=True)
        ]
        errors = any(one["create"]["status"] >= 400 for one in items)
        return 200, orjson.dumps({"took": 3, "errors": errors, "items": items}), {}

    def _item(self, identity: str, uid: str) -> dict[str, Any]:
        refusal = self.says(uid, self.came[uid])
        self.came[uid] += 1
        if refusal is None and identity in self.documents:
            refusal = (409, "version_conflict_engine_exception", "document already exists")
        if refusal is None:
            self.documents[identity] = uid
            return {"create": {"_index": "h", "_id": identity, "result": "created", "status": 201}}
        code, kind, reason = refusal
        error = {"type": kind, "reason": reason}
        return {"create": {"_index": "h", "_id": identity, "status": code, "error": error}}


def output_to(server: Receiver) -> str:
    return (
        f'[outputs.search]\nkind = "http"\npreset = "elastic"\nfrom = "beginning"\n'
        f'url = "http://127.0.0.1:{server.port}/h/_bulk"\nsend = ["findings"]\n'
    )


@pytest.mark.parametrize("others", [MAPPING, UNSEEN, NO_INDEX], ids=lambda one: str(one[0]))
def test_documents_refused_for_good_are_set_aside_and_those_it_was_too_busy_for_come_again(
    home_path: Path, configured: Configured, receiver: Callable[..., Receiver],
    capsys: pytest.CaptureFixture[str], others: Item,
) -> None:  # fmt: skip
    def says(uid: str, before: int) -> Item | None:
        if "bad" in uid:
            return others
        return BUSY if "late" in uid and before < 2 else None

    server, index = receiver(), Index(says)
    server.answer = index
    uids = ["00-bad", "01", "02-late", "03-bad", "04", "05-late", "06-bad", "07"]
    say(home_path, *uids)
    outputs = configured(output_to(server))
    with running_outputs(home_path, outputs):
        until(lambda: status(home_path, outputs)["search"].sent == 5, SECONDS)
        until(lambda: not status(home_path, outputs)["search"].fault, SECONDS)
    kept = [
        one["message"]["finding_info"]["uid"] for one in bodies(letters_path(home_path, "search"))
    ]
    assert kept == ["00-bad", "03-bad", "06-bad"]
    assert sorted(index.documents.values()) == [one for one in uids if "bad" not in one]
    found = status(home_path, outputs)["search"]
    assert (found.refused, found.refusal) == (3, "{}: {}: {}".format(*others))
    assert run("outputs", "status", "--home", home_path) == 0
    said = capsys.readouterr().out
    assert "5 sent, 3 refused" in said
    assert f"refused last: {others[0]}: {others[1]}" in " ".join(said.split())
    (told,) = [one for one in examine(home_path, datetime.now(UTC)) if "output" in one.check]
    assert (told.check, told.grade) == ("output search", Grade.WARNING)
    assert others[1] in told.found
    assert "search.refused.jsonl" in told.do
    letters_path(home_path, "search").unlink()  # somebody has read it
    (told,) = [one for one in examine(home_path, datetime.now(UTC)) if "output" in one.check]
    assert told.grade is Grade.FINE


@pytest.mark.parametrize("why", [UNSEEN, NO_INDEX, BLOCKED], ids=lambda one: one[1])
def test_what_is_true_of_every_document_lets_none_go(
    configured: Configured, receiver: Callable[..., Receiver], why: Item
) -> None:
    server = receiver()
    (output,) = configured(output_to(server))
    server.answer = Index(lambda _uid, _before: why)
    sent = [message(at, data=orjson.dumps({"finding_info": {"uid": f"f{at}"}})) for at in range(3)]
    with pytest.raises(NotSentError) as failed:
        sender_of(output).send(sent)
    assert failed.value.refused == []


def test_a_full_disk_lets_no_document_go_though_some_were_taken_before_it_was_full(
    configured: Configured, receiver: Callable[..., Receiver]
) -> None:
    server = receiver()
    (output,) = configured(output_to(server))
    server.answer = Index(lambda uid, _before: None if uid == "f0" else BLOCKED)
    sent = [message(at, data=orjson.dumps({"finding_info": {"uid": f"f{at}"}})) for at in range(3)]
    with pytest.raises(NotSentError, match="blocked") as failed:
        sender_of(output).send(sent)
    assert failed.value.done == {"id-0"}
    assert failed.value.refused == []


def test_a_document_that_it_is_always_too_busy_for_keeps_none_before_it(
    home_path: Path, configured: Configured, receiver: Callable[..., Receiver],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(running, "MAX_REFUSED_IN_ROW", 2)
    server = receiver()
    server.answer = Index(lambda uid, _: MAPPING if "bad" in uid else BUSY)
    say(home_path, "0-bad", "1-bad", "2-late", "3-bad")
    outputs = configured(output_to(server))
    with running_outputs(home_path, outputs):
        until(lambda: status(home_path, outputs)["search"].refused == 2, SECONDS)
        until(lambda: "429" in status(home_path, outputs)["search"].fault, SECONDS)
        server.answer = Index(lambda uid, _: MAPPING if "bad" in uid else None)
        until(lambda: status(home_path, outputs)["search"].refused == 3, SECONDS)
    assert status(home_path, outputs)["search"].sent == 1
