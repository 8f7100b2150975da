"""MLflow's model layout: a folder with `MLmodel` and the artifact, without a line of code.

The flavor `hauberk` names the artifact's folder and digest; a model of trees has the flavor
`lightgbm` too, so that MLflow loads its text by itself. There is no `python_function`: loading one
runs what the folder says. MLflow itself is not needed, in either direction.

Source: MLflow model format, https://mlflow.org/docs/latest/ml/model/.
"""

import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path

import yaml

from hauberk.errors import UsageError
from hauberk.models.artifact import Artifact, read_artifact
from hauberk.models.contents import TREES
from hauberk.models.documents import SIGNATURE
from hauberk.models.reading import ArtifactError

from .folders import import_trees

MAX_MLMODEL = 1 << 20
DATA = "artifact"


def export_mlflow(artifact: Artifact, target: Path, created: datetime) -> Path:
    """Write the layout into a new folder. The same artifact and time give the same bytes."""
    if target.exists() and any(target.iterdir()):
        raise UsageError("the folder is not empty", where=str(target))
    data = target / DATA
    data.mkdir(parents=True)
    for name in artifact.files:
        shutil.copyfile(artifact.folder / name, data / name)
    if artifact.signature is not None:
        (data / SIGNATURE).write_text(artifact.signature, encoding="utf-8")
    model = artifact.model
    flavors: dict[str, object] = {
        "hauberk": {
            "data": DATA, "digest": artifact.digest, "task": str(model.task),
            "estimator": model.estimator,
        }
    }  # fmt: skip
    if TREES in artifact.files:
        flavors["lightgbm"] = {
            "data": f"{DATA}/{TREES}", "model_class": "lightgbm.basic.Booster", "code": None,
        }  # fmt: skip
    document = {
        "artifact_path": model.name,
        "flavors": flavors,
        "metadata": {
            "name": model.name,
            "version": model.version,
            "recipe_digest": model.recipe_digest,
            "gates": {gate.gate: gate.passed for gate in artifact.report.gates},
        },
        "model_uuid": uuid.UUID(artifact.digest[:32]).hex,
        "utc_time_created": f"{created.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}",
    }
    (target / "MLmodel").write_text(yaml.safe_dump(document, sort_keys=True), encoding="utf-8")
    return target


def import_mlflow(source: Path, target: Path, documents: Path | None = None) -> Artifact:
    """A candidate folder from an MLflow model: one of ours whole, or LightGBM with documents.

    Raises UsageError and ArtifactError, also where an artifact is not what its MLmodel says.
    """
    described = _described(source)
    flavors = described.get("flavors")
    flavors = flavors if isinstance(flavors, dict) else {}
    ours, trees = flavors.get("hauberk"), flavors.get("lightgbm")
    if isinstance(ours, dict):
        found = read_artifact(_inside(source, ours.get("data")))
        if found.digest != ours.get("digest"):
            raise ArtifactError(
                f"the artifact is {found.digest}, its MLmodel says {ours.get('digest')}",
                where=str(source / "MLmodel"),
            )
        if target.exists():
            raise UsageError("the folder is there already", where=str(target))
        shutil.copytree(found.folder, target)
        return read_artifact(target)
    if isinstance(trees, dict) and documents is not None:
        return import_trees(target, _inside(source, trees.get("data")), documents)
    known = ", ".join(map(str, flavors)) or "none"
    raise UsageError(
        f"its flavors ({known}) hold no model that is plain data",
        where=str(source),
        hint="Flavors that are read are hauberk, and lightgbm with --documents",
    )


def _described(source: Path) -> dict[str, object]:
    path = source / "MLmodel"
    try:
        if path.stat().st_size > MAX_MLMODEL:
            raise UsageError("is too large", where=str(path))
        found = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(path)) from error
    if not isinstance(found, dict):
        raise UsageError("is no MLmodel file", where=str(path))
    return found


def _inside(source: Path, relative: object) -> Path:
    """A path that an MLmodel names, which must lie inside of its folder."""
    if not isinstance(relative, str):
        raise UsageError("its flavor names no data", where=str(source / "MLmodel"))
    path = (source / relative).resolve()
    if not path.is_relative_to(source.resolve()):
        raise UsageError(f"{relative} lies outside of the model", where=str(source / "MLmodel"))
    return path
