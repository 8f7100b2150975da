"""Models asked directly: the same answers as a detector's, bounded, and counted."""

import base64
import runpy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.errors import UsageError
from hauberk.governance import Conditions
from hauberk.models import Judging, LoadedModel, Stage, Task
from hauberk.models.asking import MOST_RECORDS, Asked

made: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[1] / "integration" / "judges.py"))
NOW = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)


def loaded(folder: Path, task: Task, stage: Stage = Stage.LIVE) -> LoadedModel:
    nobody: Any = None
    artifact = made["artifact"](folder, task)
    return LoadedModel(artifact, stage, Conditions(), nobody, nobody, nobody)


@pytest.fixture(scope="module")
def domains(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return loaded(tmp_path_factory.mktemp("models") / "domain", Task.DOMAIN)


def test_an_answer_is_what_the_model_says_and_names_it(domains: LoadedModel) -> None:
    names = [made["made_up"](3), made["ordinary"](3)]
    found = Asked(domains).answer("web", names, NOW, reasons=2)
    assert [one["flagged"] for one in found.records] == [True, False]
    expected = Judging(domains.artifact).score(names).p_values.tolist()
    assert [one["p_value"] for one in found.records] == expected
    assert len(found.records[0]["reasons"]) == 2  # type: ignore[arg-type]
    assert found.model["digest"] == domains.digest
    assert "score" not in found.records[0]


def test_what_is_asked_is_counted_by_client_like_all_that_a_model_judges(
    domains: LoadedModel,
) -> None:
    found = Asked(domains).answer("web", [made["made_up"](at) for at in range(50)], NOW)
    assert found.tallies["judged"].to_list() == [50]
    assert found.queries.select("client", "asked", "flagged").rows() == [("web", 50, 50)]


def test_a_shadow_answers_and_flags_nothing(tmp_path: Path) -> None:
    shadow = loaded(tmp_path / "m", Task.DOMAIN, Stage.SHADOW)
    found = Asked(shadow).answer("web", [made["made_up"](3)], NOW)
    assert not found.records[0]["flagged"]
    assert found.tallies["flagged"].to_list() == [1]


def test_mails_come_as_their_bytes_and_executables_as_numbers(tmp_path: Path) -> None:
    mails = Asked(loaded(tmp_path / "mail", Task.MAIL))
    raw = base64.b64encode(made["mail"](made["PHISH"][0], 1)).decode()
    assert mails.answer("mta", [raw], NOW).records[0]["flagged"]
    files = Asked(loaded(tmp_path / "exe", Task.EXECUTABLE))
    assert files.answer("edr", [[64, 2, 600]], NOW).records[0]["flagged"]


@pytest.mark.parametrize("size", [0, MOST_RECORDS + 1])
def test_no_request_is_without_bounds(domains: LoadedModel, size: int) -> None:
    with pytest.raises(UsageError, match="records"):
        Asked(domains).answer("web", ["a.com"] * size, NOW)


@settings(deadline=None, max_examples=40)
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=30),
                    lambda inner: st.lists(inner, max_size=3), max_leaves=5))  # fmt: skip
def test_any_json_is_answered_or_named_as_the_record_at_fault(
    domains: LoadedModel, one: object
) -> None:
    asked = Asked(domains)
    if isinstance(one, str) and one:
        assert len(asked.answer("web", ["ok.com", one], NOW).records) == 2
    else:
        with pytest.raises(UsageError, match="record 1"):
            asked.answer("web", ["ok.com", one], NOW)
