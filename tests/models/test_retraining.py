"""Trained anew: from drift that was seen to a candidate, and no step further."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import hauberk.cli.train as train_command
from hauberk.cli.models_acts import models_app
from hauberk.errors import RefusedError, UsageError
from hauberk.models import Stage, read_registry, record_training, watch_models
from hauberk.models.retraining import enter_candidate, recipe_of, requests, retrain
from hauberk.models.training.recipe import read_recipe
from hauberk.models.watching import INPUTS, tally
from hauberk.reports import lineage

pytest.importorskip("lightgbm")
small: Any = runpy.run_path(str(Path(__file__).with_name("test_training_domains.py")))
office_made: Any = runpy.run_path(str(Path(__file__).with_name("making.py")))
EMPTY = pl.DataFrame(schema=INPUTS)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, shared_data: Callable[[str], Path]) -> Path:
    root = tmp_path_factory.mktemp("data")
    for name in ("dga-dev", "phish-dev"):
        (root / name).symlink_to(shared_data(name))
    return root


def drifted(office: Any, artifact: str) -> None:
    """A day on which half of what the model saw was unlike everything before."""
    p_values = np.concatenate([np.full(1000, 0.001), np.linspace(0, 1, 1000)])
    day = [office.clock().date()] * len(p_values)
    counted = tally(artifact, "live", pl.DataFrame({"day": day, "p_value": p_values}))
    watch_models(office.home, counted, EMPTY)


def quiet(_: str) -> None:
    """Say nothing."""


@pytest.mark.slow
def test_drift_leads_to_a_candidate_with_gates_measured_and_unsigned(
    office: Any, data: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "small.toml"
    recipe.write_text(small["small_text"]())
    live = office.live(recipe_digest=read_recipe(recipe).digest)
    drifted(office, live.artifact)
    (request,) = requests(read_registry(office.home))
    assert request.version.artifact == live.artifact
    assert recipe_of(request.version, [recipe]) == recipe
    registry, out = read_registry(office.home), tmp_path / "candidate"
    made = retrain(
        office.home.path, registry, request, recipe, data, out, quiet, sandbox=False
    )  # fmt: skip
    enter_candidate(office.home, made, office.keys["ada"], request)

    found = office.version(made.digest)
    assert found.stage is Stage.CANDIDATE
    assert found.bundles == []
    assert {gate.gate for gate in found.report.gates} >= {"holdout", "sources", "drift", "evasion"}
    reference = found.report.evaluation["reference"]
    assert sum(reference["p_bins"]) == reference["rows"]
    assert set(reference["inputs"]) == set(reference["edges"])
    assert office.version(live.artifact).stage is Stage.LIVE
    assert requests(read_registry(office.home)) == []
    lines = "\n".join(lineage(read_registry(office.home), found))
    assert "trained by ada" in lines
    assert f"asked for by entry {request.position}" in lines
    assert found.trainers == ("ada",)


def test_a_calm_model_is_not_trained_anew(live_office: Any) -> None:
    assert requests(read_registry(live_office.home)) == []


def test_a_recipe_that_is_not_here_is_asked_for(live_office: Any) -> None:
    version = read_registry(live_office.home).named("tiny-domains")
    with pytest.raises(UsageError, match="no recipe here made"):
        recipe_of(version)


def test_nobody_enters_a_run_in_anothers_name(office: Any) -> None:
    with pytest.raises(RefusedError, match="signed by who trained"):
        record_training(office.home, "a" * 64, "sam", key=office.keys["ada"])
    assert read_registry(office.home).runs == []


def test_a_run_that_is_recorded_by_the_command_stands_in_the_lineage(
    office: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trained(recipe: Path, data: Path, out: Path, *_: Any, **__: Any) -> str:
        digest: str = office_made["tiny_model"](out).digest
        return digest

    office.home.close()
    monkeypatch.setattr(train_command, "run", trained)
    monkeypatch.setenv("HAUBERK_KEYS", str(office.folder / "keys"))
    home, out = ["--home", str(office.home.path)], str(tmp_path / "made")

    def hauberk(*arguments: str) -> str:
        answer = CliRunner().invoke(models_app, [*arguments, *home], catch_exceptions=False)
        assert answer.exit_code == 0, answer.output
        return answer.output

    hauberk("train", "any", "--out", out, "--as", "sam")
    hauberk("register", out, "--as", "ada")
    lines = hauberk("lineage", "tiny-domains")
    assert "trained by sam, recipe aaaaaaaaaaaa" in lines
    assert "registered by ada" in lines
    assert "trained by ada, sam" in hauberk("show", "tiny-domains")
