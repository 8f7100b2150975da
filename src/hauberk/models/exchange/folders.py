"""Candidate folders made of weights from elsewhere and documents that say what they are."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from hauberk.errors import UsageError
from hauberk.models.artifact import REQUIRED, Artifact, read_artifact
from hauberk.models.contents import MAX_FILE


def with_documents(target: Path, documents: Path, weights: Mapping[str, bytes]) -> Artifact:
    """A new folder of `weights` and the four documents that lie in `documents`; read back.

    Weights without model.json, data.json, report.json and card.md are no model: nobody could say
    what they were trained on. Raises UsageError and ArtifactError.
    """
    if target.exists() and any(target.iterdir()):
        raise UsageError("the folder is not empty", where=str(target))
    for name in REQUIRED:
        if not (documents / name).is_file():
            raise UsageError(
                f"there is no {name}",
                where=str(documents),
                hint="Weights need the documents that say what they are (docs/governance.md)",
            )
    target.mkdir(parents=True, exist_ok=True)
    for name in REQUIRED:
        shutil.copyfile(documents / name, target / name)
    for name, data in weights.items():
        (target / name).write_bytes(data)
    return read_artifact(target)


def import_trees(target: Path, file: Path, documents: Path) -> Artifact:
    """A candidate folder from a LightGBM model text (`Booster.save_model`)."""
    return with_documents(target, documents, {"model.txt": read_bounded(file)})


def read_bounded(file: Path) -> bytes:
    """A weights file, whole. Raises UsageError."""
    try:
        if file.stat().st_size > MAX_FILE:
            raise UsageError(f"is larger than {MAX_FILE:,} bytes", where=str(file))
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(file)) from error
