"""`hauberk models train` and `evaluate`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hauberk.cli.models_acts import models_app
from hauberk.errors import UnreadableInputError, UsageError
from hauberk.models import read_artifact
from hauberk.models.training.job import run
from hauberk.models.training.recipe import BUILT_IN
from hauberk.models.training.sandbox import NAMESPACES

SHORT = (BUILT_IN / "windows-executables.toml").read_text().replace("rounds = 150", "rounds = 20")


def quiet(_: str) -> None:
    """Say nothing."""


def test_a_recipe_that_is_not_there_is_an_error_that_lists_the_shipped_ones(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInputError, match="generated-domains"):
        run(Path("no-such-recipe"), tmp_path, tmp_path / "out", quiet)


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    with pytest.raises(UsageError, match="not empty"):
        run(Path("windows-executables"), tmp_path, tmp_path, quiet)


def test_data_that_is_not_there_is_named(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    with pytest.raises(UnreadableInputError, match="pe-clamp"):
        run(Path("windows-executables"), tmp_path, tmp_path / "out", quiet, sandbox=False)


@pytest.mark.slow
def test_a_trained_model_is_shown_with_its_gates_and_says_how_it_was_confined(
    tmp_path: Path, shared_data: Callable[[str], Path]
) -> None:
    pytest.importorskip("lightgbm")
    data = tmp_path / "data"
    data.mkdir()
    (data / "pe-clamp").symlink_to(shared_data("pe-clamp"))
    recipe = tmp_path / "short.toml"
    recipe.write_text(SHORT)
    try:
        run(recipe, data, tmp_path / "out", quiet)
    except UsageError as error:
        pytest.skip(str(error))
    assert read_artifact(tmp_path / "out").report.evaluation["sandbox"] == NAMESPACES
    shown = CliRunner().invoke(models_app, ["evaluate", str(tmp_path / "out"), "--json"])
    answer = json.loads(shown.stdout)
    assert not next(gate for gate in answer["gates"] if gate["gate"] == "sources")["passed"]
