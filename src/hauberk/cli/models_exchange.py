"""`hauberk models export` and `import`: models in others' formats."""

import shutil
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hauberk.errors import UsageError
from hauberk.models import Artifact, Stage, cleared, read_artifact, read_registry
from hauberk.models.exchange import (
    export_mlflow,
    export_onnx,
    import_mlflow,
    import_onnx,
    import_trees,
    ml_bom,
)
from hauberk.models.storage import folder_of

from . import acting, output
from .home import Home
from .models import Reference, models_app


class Kind(StrEnum):
    """Formats that models leave and come in."""

    FOLDER = "folder"
    MLFLOW = "mlflow"
    LIGHTGBM = "lightgbm"
    ONNX = "onnx"
    CYCLONEDX = "cyclonedx"


Format = Annotated[Kind, typer.Option("--format", help="The format.")]
Out = Annotated[Path, typer.Option("--out", metavar="PATH", help="A new file or folder.")]


@models_app.command("export")
def export(reference: Reference, form: Format, out: Out, home: Home = None) -> None:
    """Write a version as a folder, MLflow's layout, LightGBM text, ONNX, or CycloneDX ML-BOM."""
    with acting.for_reading(home) as opened:
        registry, now = read_registry(opened), opened.clock()
        version = registry.named(reference)
        folder = folder_of(opened.path, version.artifact)
    if form is Kind.CYCLONEDX:
        answer = cleared(registry.authority, registry.keys, version, Stage.LIVE, now)
        with output.file(out, "--out") as stream:
            stream.write(acting.as_json(ml_bom(version, answer, now)))
    else:
        artifact = read_artifact(folder, expected=version.files)
        if out.exists() and (out.is_file() or any(out.iterdir())):
            raise UsageError("is there already and not empty", where=str(out))
        if form is Kind.MLFLOW:
            export_mlflow(artifact, out, version.registered)
        elif form is Kind.ONNX:
            export_onnx(artifact, out)
        elif form is Kind.FOLDER:
            shutil.copytree(folder, out, dirs_exist_ok=True)
        else:
            _write_trees(artifact, out)
    acting.tell([f"{version.name} is in {out}"])


@models_app.command("import")
def import_model(
    source: Annotated[Path, typer.Argument(metavar="PATH", help="What to read.")],
    form: Format,
    out: Out,
    documents: Annotated[
        Path | None,
        typer.Option(
            "--documents",
            metavar="DIR",
            help="model.json, data.json, report.json and card.md, where the format has none.",
        ),
    ] = None,
) -> None:
    """Make a candidate folder of a model from elsewhere; `register` takes it from there."""
    if form is Kind.MLFLOW:
        found = import_mlflow(source, out, documents)
    elif form in (Kind.LIGHTGBM, Kind.ONNX):
        if documents is None:
            raise UsageError(
                "weights alone are no model",
                where="--documents",
                hint="Name a folder with the documents that say what they are",
            )
        read = import_trees if form is Kind.LIGHTGBM else import_onnx
        found = read(out, source, documents)
    elif form is Kind.FOLDER:
        read_artifact(source)
        shutil.copytree(source, out)
        found = read_artifact(out)
    else:
        raise UsageError("a bill of materials holds no model", where="--format")
    acting.tell([f"{found.model.name}@{found.model.version} is in {out}, artifact {found.digest}"])


def _write_trees(artifact: Artifact, out: Path) -> None:
    trees = artifact.trees()
    if trees is None:
        raise UsageError(f"a {artifact.model.estimator} model is no LightGBM model")
    with output.file(out, "--out") as stream:
        stream.write(trees)
