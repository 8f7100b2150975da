"""The recipe for generated names, on a small part of the data."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hauberk.errors import UsageError
from hauberk.models import read_artifact
from hauberk.models.inference import Judging
from hauberk.models.training.pool import Pool
from hauberk.models.training.preparing import prepare
from hauberk.models.training.recipe import BUILT_IN, Recipe, parse_recipe
from hauberk.models.training.splitting import check_way, hold_out
from hauberk.models.training.train import fitted, train

pytest.importorskip("lightgbm")


def small_text(split: str = "family") -> str:
    text = (BUILT_IN / "generated-domains.toml").read_text()
    text = text.replace("limit = 100000", "limit = 3000").replace("limit = 6000", "limit = 250")
    text = text.replace("sweep_names = 24000", "sweep_names = 1200")
    text = text.replace("rounds = 150", "rounds = 30").replace('by = "family"', f'by = "{split}"')
    text = text.replace("spamassassin/data/*/*.txt", "spamassassin/data/hard-ham-1/*.txt")
    kept = text.split("\n[[fold]]")
    return "\n[[fold]]".join(kept[:3])


def small_recipe(split: str = "family") -> Recipe:
    return parse_recipe(small_text(split).encode(), "small.toml")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, shared_data: Callable[[str], Path]) -> Path:
    root = tmp_path_factory.mktemp("data")
    for name in ("dga-dev", "phish-dev"):
        (root / name).symlink_to(shared_data(name))
    return root


def quiet(_: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    out = tmp_path_factory.mktemp("artifact")
    train(small_recipe(), data, out, quiet)
    return out


def test_fitting_again_gives_the_same_weights_to_the_bit(folder: Path, pool: Pool) -> None:
    assert dict(fitted(pool).weights) == dict(read_artifact(folder).weights)


@pytest.mark.slow
def test_same_recipe_and_data_give_the_same_artifact_to_the_bit(
    folder: Path, tmp_path: Path, data: Path
) -> None:
    again = train(small_recipe(), data, tmp_path / "again", quiet).artifact
    assert read_artifact(folder).files == again.files


@pytest.fixture(scope="module")
def pool(data: Path) -> Pool:
    return prepare(small_recipe(), data, quiet)


def test_made_up_names_score_above_ordinary_ones_with_small_p_values(folder: Path) -> None:
    judging = Judging(read_artifact(folder))
    made_up = ["xkqjzvwphtrmb.com", "q7x9z2k4j8v1w3.net", "hwqzkxvjtpmn.org"]
    ordinary = ["www.wikipedia.org", "weather.com", "library.example.co.uk"]
    scored = judging.score([*made_up, *ordinary])
    assert scored.p_values[:3].max() < 0.05
    assert scored.p_values[3:].min() > 0.05


def test_reasons_and_the_bias_add_up_to_the_score(folder: Path) -> None:
    judging = Judging(read_artifact(folder))
    matrix = judging.features.extract(["xkqjzvwphtrmb.com", "wikipedia.org"])
    parts = judging.estimator.contributions(matrix)  # type: ignore[union-attr]
    assert np.allclose(parts.sum(axis=1), judging.estimator.score(matrix), atol=1e-6)
    assert judging.score(["xkqjzvwphtrmb.com"]).reasons[0][0].share > 0


def test_hostile_names_are_scored_without_an_error(folder: Path) -> None:
    judging = Judging(read_artifact(folder))
    odd = ["", ".", "..", "\x00\xff", "a" * 100_000, "xn--" + "é" * 70, "-" * 63 + ".com"]
    assert np.isfinite(judging.score(odd).scores).all()


def test_every_gate_answers_with_numbers_and_a_bound(folder: Path) -> None:
    gates = read_artifact(folder).report.gates
    assert {gate.gate for gate in gates} == {
        "holdout", "sources", "drift", "evasion", "poisoning", "extraction", "membership",
        "privacy", "cost", "files",
    }  # fmt: skip
    assert all(gate.measured and gate.bound for gate in gates)


def test_the_manifest_names_every_file_by_digest_and_no_licence_is_missing(folder: Path) -> None:
    for source in read_artifact(folder).data:
        assert source.files
        assert source.licence
        assert source.rows >= source.rows_after_dedupe


def test_a_random_split_of_families_is_refused(pool: Pool) -> None:
    with pytest.raises(UsageError, match="random split"):
        check_way("random", pool.samples, "split.by")


def test_a_held_out_family_is_in_no_training_row(pool: Pool) -> None:
    fold = hold_out(pool.samples, "tinba", ("tinba",))
    assert "tinba" not in pool.samples.sources[fold.train]
    assert "tinba" in pool.samples.sources[fold.test]
    keys = pool.samples.keys
    assert not np.intersect1d(keys[fold.train], keys[fold.test]).size
    check_way("family", pool.samples, "split.by")


def test_names_of_several_sources_are_kept_once(pool: Pool) -> None:
    assert len(np.unique(pool.samples.keys)) == len(pool.samples)


def test_ordinary_test_names_stay_near_the_rate_that_the_threshold_promises(pool: Pool) -> None:
    trial = fitted(pool)
    scores = trial.pool.score(trial.estimator, trial.side(trial.test, 0))
    assert (scores > trial.thresholds["one_percent"]).mean() < 0.04
