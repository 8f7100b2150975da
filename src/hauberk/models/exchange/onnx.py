"""ONNX for linear models: the same sum, for runtimes that know nothing of Hauberk.

score = grams x weights + one-hot bins of the named numbers x their weights + bias. Features stay
outside of the graph: `model.json` says how they are made, and goes along as its metadata. Only
graphs of exactly this form are read back; an ONNX file may hold anything else, which is refused.
Needs the `onnx` package (extra `models`).
"""

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from hauberk.errors import UsageError
from hauberk.models.artifact import Artifact
from hauberk.models.tensors import Array, write_tensors

from .folders import read_bounded, with_documents

OPSET = 17
_PARTS = {"weights.grams": "linear.grams", "weights.edges": "linear.edges",
          "weights.bins": "linear.bins", "weights.bias": "linear.bias"}  # fmt: skip


def export_onnx(artifact: Artifact, target: Path) -> Path:
    """Write a linear model as ONNX. Raises UsageError for another estimator."""
    onnx = _library()
    arrays = artifact.tensors()
    if not set(_PARTS.values()) <= arrays.keys():
        raise UsageError(
            f"a {artifact.model.estimator} model has no ONNX form here",
            hint="Linear models do; trees go out as LightGBM text",
        )
    grams, bins = arrays["linear.grams"], arrays["linear.bins"]
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    kept = {name: np.ascontiguousarray(arrays[own]) for name, own in _PARTS.items()}
    kept["grams.column"] = grams.reshape(-1, 1).astype(np.float32)
    kept["bins.column"] = bins.reshape(-1, 1).astype(np.float32)
    kept["bias.single"] = arrays["linear.bias"].astype(np.float32).reshape(1)
    float32 = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["grams", "grams.column"], ["from.grams"]),
            helper.make_node("MatMul", ["numbers", "bins.column"], ["from.numbers"]),
            helper.make_node("Add", ["from.grams", "from.numbers"], ["both"]),
            helper.make_node("Add", ["both", "bias.single"], ["score"]),
        ],
        artifact.model.name,
        [
            helper.make_tensor_value_info("grams", float32, ["rows", int(grams.size)]),
            helper.make_tensor_value_info("numbers", float32, ["rows", int(bins.size)]),
        ],
        [helper.make_tensor_value_info("score", float32, ["rows", 1])],
        [numpy_helper.from_array(np.array(value), name) for name, value in kept.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    made.ir_version = 9
    helper.set_model_props(made, {"hauberk.artifact": artifact.digest})
    onnx.checker.check_model(made)
    target.write_bytes(made.SerializeToString(deterministic=True))
    return target


def import_onnx(target: Path, file: Path, documents: Path) -> Artifact:
    """A candidate folder from an ONNX file that `export_onnx` wrote. Raises UsageError."""
    onnx = _library()
    try:
        graph = onnx.load_model_from_string(read_bounded(file)).graph
        operators = [node.op_type for node in graph.node]
        found = {one.name: one for one in graph.initializer}
        if operators != ["MatMul", "MatMul", "Add", "Add"] or not _PARTS.keys() <= found.keys():
            raise UsageError(
                "this graph is no linear model of ours",
                where=str(file),
                hint="Only what `hauberk models export --format onnx` wrote is read",
            )
        if any(one.data_location == onnx.TensorProto.EXTERNAL for one in found.values()):
            raise UsageError("it keeps weights in other files, which are not read", where=str(file))
        arrays: dict[str, Array] = {
            own: onnx.numpy_helper.to_array(found[name]) for name, own in _PARTS.items()
        }
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(f"this is no ONNX file: {error}", where=str(file)) from error
    return with_documents(target, documents, {"weights.safetensors": write_tensors(arrays)})


def _library() -> Any:
    try:
        return importlib.import_module("onnx")
    except ImportError as error:
        raise UsageError(
            "ONNX needs a part that is not installed", hint="Install hauberk[models]"
        ) from error
