"""A model's folder is what the contract says, or the file and the field that are not are named."""

import contextlib
import json
import pickle
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hauberk.models import (
    Array,
    Artifact,
    ArtifactError,
    canonical,
    read_artifact,
    read_tensors,
    write_tensors,
)

made = runpy.run_path(str(Path(__file__).with_name("making.py")))
tiny_model: Callable[..., Artifact] = made["tiny_model"]
model_json: Callable[..., dict[str, Any]] = made["model_json"]
data_json: Callable[..., dict[str, Any]] = made["data_json"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "model").folder


def test_a_written_model_reads_back_whole(folder: Path) -> None:
    artifact = read_artifact(folder)
    assert artifact.model.name == "tiny-domains"
    assert artifact.tensors()["coef"].shape == (16,)
    gate = artifact.report.gate("holdout")
    assert gate is not None
    assert gate.measured["tpr_at_fpr_1pct"].low == 0.9
    assert artifact.data[0].files == {"domains.csv": "b" * 64}


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = tiny_model(tmp_path / "a"), tiny_model(tmp_path / "b")
    assert first.digest == second.digest
    assert tiny_model(tmp_path / "c", version="1.0.1").digest != first.digest


def test_the_signature_is_no_part_of_the_digest(folder: Path) -> None:
    before = read_artifact(folder).digest
    (folder / "model.sig").write_text("{}")
    after = read_artifact(folder)
    assert (after.digest, after.signature) == (before, "{}")


@pytest.mark.parametrize("name", ["model.json", "data.json", "report.json", "card.md"])
def test_a_missing_document_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        read_artifact(folder)


@pytest.mark.parametrize("name", ["model.json", "data.json", "report.json", "weights.safetensors"])
def test_an_altered_file_is_named_before_it_is_understood(folder: Path, name: str) -> None:
    expected = read_artifact(folder).files
    (folder / name).write_bytes(b"\x80\x04 not even JSON")
    with pytest.raises(ArtifactError, match=f"{name}: was altered"):
        read_artifact(folder, expected=expected)


@pytest.mark.parametrize("name", ["model.pkl", "code.py", "nested", ".hidden", ".safetensors"])
def test_anything_else_in_the_folder_is_refused(folder: Path, name: str) -> None:
    if name == "nested":
        (folder / name).mkdir()
    else:
        (folder / name).write_bytes(b"x")
    with pytest.raises(ArtifactError, match=name):
        read_artifact(folder)


def test_a_symbolic_link_is_refused(folder: Path) -> None:
    (folder / "more.safetensors").symlink_to("/etc/hostname")
    with pytest.raises(ArtifactError, match=r"more\.safetensors: is no plain file"):
        read_artifact(folder)


@pytest.mark.parametrize("name", ["weights.safetensors", "model.txt"])
def test_a_pickle_under_an_allowed_name_is_refused(folder: Path, name: str) -> None:
    (folder / name).write_bytes(pickle.dumps({"coef": [1.0]}))
    with pytest.raises(ArtifactError, match=name):
        read_artifact(folder)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"task": "weather"}, "task"),
    ({"task": "mail"}, "scope.task"),
    ({"name": "Not A Name"}, "name"),
    ({"schema_version": 2}, "schema_version"),
    ({"features": {"schema": {}, "digest": "c" * 64}}, "features.digest"),
    ({"classes": ["one"]}, "classes"),
    ({"thresholds": {"other": 1}}, "thresholds.alert"),
    ({"calibration": {"scores": [1, 0], "p_values": [1, 0.1]}}, "calibration.scores"),
    ({"calibration": {"scores": [0, 1], "p_values": [0.1, 1]}}, "calibration.p_values"),
    ({"scope": {"task": "domain", "event_class": "dreams"}}, "scope.event_class"),
    ({"seeds": [1.5]}, "seeds"),
    ({"recipe_digest": "short"}, "recipe_digest"),
]


@pytest.mark.parametrize(("change", "field"), WRONG, ids=[field for _, field in WRONG])
def test_a_wrong_field_of_a_model_is_named(
    folder: Path, change: dict[str, Any], field: str
) -> None:
    (folder / "model.json").write_bytes(canonical(model_json(**change)))
    with pytest.raises(ArtifactError) as caught:
        read_artifact(folder)
    assert field in str(caught.value)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"files": []}, "sources[0].files"),
        ({"synthetic_share": 1.5}, "synthetic_share"),
        ({"rows_after_dedupe": 101}, "rows_after_dedupe"),
        ({"redistribution": "yes"}, "redistribution"),
        ({"licence": ""}, "licence"),
    ],
)
def test_a_wrong_field_of_a_data_manifest_is_named(
    folder: Path, change: dict[str, Any], field: str
) -> None:
    (folder / "data.json").write_bytes(canonical(data_json(**change)))
    with pytest.raises(ArtifactError) as caught:
        read_artifact(folder)
    assert field in str(caught.value)


def test_numbers_that_json_does_not_have_are_refused(folder: Path) -> None:
    text = json.dumps(model_json()).replace("0.9", "NaN")
    (folder / "model.json").write_text(text)
    with pytest.raises(ArtifactError, match="NaN"):
        read_artifact(folder)


DTYPES = st.sampled_from(["f4", "f8", "i8", "u1", "?"])


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8).filter(lambda name: name != "__metadata__"),
        DTYPES.flatmap(lambda d: arrays.arrays(np.dtype(d), arrays.array_shapes(max_side=4))),
        max_size=4,
    )
)
def test_arrays_written_are_arrays_read(given: dict[str, np.ndarray]) -> None:
    data = write_tensors(given)
    read = read_tensors(data, "w.safetensors")
    assert read.keys() == given.keys()
    for name, array in given.items():
        np.testing.assert_array_equal(read[name], array)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=64), st.integers(0, 200))
def test_no_bytes_make_the_reader_fail_otherwise(junk: bytes, at: int) -> None:
    good = write_tensors({"a": np.arange(4, dtype=np.float32)})
    for data in (junk, good[:at] + junk + good[at:], good[: len(good) - at % len(good)]):
        with contextlib.suppress(ArtifactError):
            read_tensors(data, "w.safetensors")


def test_other_readers_and_writers_agree() -> None:
    library = pytest.importorskip("safetensors.numpy")
    given: dict[str, Array] = {
        "b": np.arange(6, dtype=np.float64).reshape(2, 3),
        "a": np.ones(3, np.float32),
    }
    for name, array in library.load(write_tensors(given)).items():
        np.testing.assert_array_equal(array, given[name])
    for name, array in read_tensors(library.save(given), "w").items():
        np.testing.assert_array_equal(array, given[name])


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_artifact(tmp_path / "nowhere")
