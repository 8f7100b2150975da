"""Models leave and come in others' formats as data, and are known by digest wherever they went."""

import json
import runpy
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hauberk.errors import RefusedError, UsageError
from hauberk.models import Artifact, Stage, cleared, read_registry, write_artifact, write_tensors
from hauberk.models.exchange import (
    export_mlflow,
    export_onnx,
    import_mlflow,
    import_onnx,
    import_trees,
    ml_bom,
)

made: dict[str, Any] = runpy.run_path(str(Path(__file__).with_name("making.py")))
tiny_model: Callable[..., Artifact] = made["tiny_model"]
THEN = datetime(2026, 3, 3, 10, tzinfo=UTC)


@pytest.fixture
def tiny(tmp_path: Path) -> Artifact:
    return tiny_model(tmp_path / "tiny")


def test_mlflows_layout_goes_out_and_comes_back_the_same(tiny: Artifact, tmp_path: Path) -> None:
    export_mlflow(tiny, tmp_path / "out", THEN)
    text = (tmp_path / "out" / "MLmodel").read_text()
    assert "python_function" not in text
    back = import_mlflow(tmp_path / "out", tmp_path / "back")
    assert back.digest == tiny.digest


def test_an_mlmodel_that_lies_or_points_outside_is_refused(tiny: Artifact, tmp_path: Path) -> None:
    out = export_mlflow(tiny, tmp_path / "out", THEN)
    text = (out / "MLmodel").read_text()
    (out / "MLmodel").write_text(text.replace(tiny.digest, "f" * 64))
    with pytest.raises(RefusedError, match="its MLmodel says ffff"):
        import_mlflow(out, tmp_path / "back")
    (out / "MLmodel").write_text(text.replace("data: artifact", "data: ../tiny"))
    with pytest.raises(UsageError, match="lies outside"):
        import_mlflow(out, tmp_path / "back")
    (out / "MLmodel").write_text("flavors: {python_function: {loader_module: os}}")
    with pytest.raises(UsageError, match="no model that is plain data"):
        import_mlflow(out, tmp_path / "back")
    (out / "MLmodel").write_text("!!python/object/apply:os.system ['true']")
    with pytest.raises(UsageError, match="cannot be read"):
        import_mlflow(out, tmp_path / "back")


def test_mlflow_itself_reads_the_layout(tiny: Artifact, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow.models")
    out = export_mlflow(tiny, tmp_path / "out", THEN)
    assert "hauberk" in mlflow.Model.load(str(out)).flavors


def test_lightgbm_text_needs_documents_and_is_no_pickle(tiny: Artifact, tmp_path: Path) -> None:
    trees = tmp_path / "trees.txt"
    trees.write_text("tree\nversion=v4\n")
    found = import_trees(tmp_path / "new", trees, tiny.folder)
    assert found.trees() == "tree\nversion=v4\n"
    trees.write_bytes(b"\x80\x04")
    with pytest.raises(RefusedError, match=r"model\.txt: holds a pickle"):
        import_trees(tmp_path / "other", trees, tiny.folder)
    with pytest.raises(UsageError, match=r"there is no model\.json"):
        import_trees(tmp_path / "third", trees, tmp_path)


@pytest.fixture
def linear(tmp_path: Path) -> Artifact:
    random = np.random.default_rng(1)
    arrays: dict[str, Any] = {
        "linear.grams": random.normal(size=16).astype(np.float32),
        "linear.edges": np.array([[1.0, 2.0], [5.0, np.inf]], np.float32),
        "linear.bins": random.normal(size=(2, 3)).astype(np.float32),
        "linear.bias": np.array([0.25]),
    }
    return write_artifact(
        tmp_path / "linear", model=made["model_json"](), data=made["data_json"](),
        report=made["report_json"](), card="# linear\n",
        weights={"weights.safetensors": write_tensors(arrays)},
    )  # fmt: skip


def test_a_linear_model_is_the_same_sum_as_onnx(linear: Artifact, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    path = export_onnx(linear, tmp_path / "model.onnx")
    random = np.random.default_rng(2)
    grams = random.normal(size=(5, 16)).astype(np.float32)
    numbers = np.eye(6, dtype=np.float32)[:5]
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"grams": grams, "numbers": numbers})
    arrays: dict[str, Any] = linear.tensors()
    wanted = grams @ arrays["linear.grams"] + numbers @ arrays["linear.bins"].ravel() + 0.25
    np.testing.assert_allclose(scores.ravel(), wanted, rtol=1e-5)
    back = import_onnx(tmp_path / "back", path, linear.folder)
    assert back.digest == linear.digest


def test_another_onnx_graph_is_refused(linear: Artifact, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    (tmp_path / "junk.onnx").write_bytes(b"\x08\x01junk")
    with pytest.raises(UsageError):
        import_onnx(tmp_path / "back", tmp_path / "junk.onnx", linear.folder)


def bill(office: Any) -> dict[str, Any]:
    registry = read_registry(office.home)
    version = registry.named("tiny-domains")
    answer = cleared(registry.authority, registry.keys, version, Stage.LIVE, office.clock())
    return ml_bom(version, answer, office.clock())


def test_the_bill_of_materials_names_model_data_gates_and_approvals(live_office: Any) -> None:
    made_bill = bill(live_office)
    component = made_bill["metadata"]["component"]
    assert component["type"] == "machine-learning-model"
    metrics = component["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    assert {"type": "sources.mean_tpr_at_1pct", "value": "0.91"}.items() <= next(
        one for one in metrics if one["type"] == "sources.mean_tpr_at_1pct"
    ).items()
    approved = [one["value"] for one in component["properties"] if "approved" in one["name"]]
    assert set(approved) == {"sam", "pia", "lea"}
    assert made_bill == bill(live_office)


def test_the_bill_of_materials_is_cyclonedx_1_7(live_office: Any) -> None:
    schemas = pytest.importorskip("cyclonedx.schema")
    validation = pytest.importorskip("cyclonedx.validation.json")
    assert resources.files("cyclonedx.schema").joinpath("_res").is_dir()
    checker = validation.JsonStrictValidator(schemas.SchemaVersion.V1_7)
    assert checker.validate_str(json.dumps(bill(live_office))) is None
    broken = {**bill(live_office), "specVersion": "1.7", "bomFormat": "Other"}
    assert checker.validate_str(json.dumps(broken)) is not None
