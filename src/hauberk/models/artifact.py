"""The artifact: one folder of plain data that is a model, known by one digest.

    model.json   what the model is           report.json  what was measured of it
    data.json    what it was trained on      card.md      both, for people
    *.safetensors, model.txt  its weights    model.sig    the signature, once there is one

The digest is SHA-256 over the canonical JSON of the files' own digests by name, without
`model.sig`: it names the weights, the data manifest and the report together.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .contents import MAX_FILE, check_content, is_allowed, is_weights
from .documents import (
    CARD,
    DATA,
    MODEL,
    REPORT,
    SIGNATURE,
    DataSource,
    Model,
    Report,
    digest_of,
    read_data,
    read_model,
    read_report,
)
from .reading import MAX_DOCUMENT, ArtifactError, canonical, read_json
from .tensors import Array, read_tensors

REQUIRED = (MODEL, DATA, REPORT, CARD)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A folder that was read and is what the contract says.

    `files` are SHA-256 by name, without the signature. `weights` are the bytes of the weights'
    files as they were hashed: nothing is read from the folder a second time.
    """

    folder: Path
    digest: str
    files: Mapping[str, str]
    model: Model
    data: tuple[DataSource, ...]
    report: Report
    weights: Mapping[str, bytes]
    signature: str | None

    @property
    def report_digest(self) -> str:
        """SHA-256 of `report.json`, which approvals name."""
        return self.files[REPORT]

    def tensors(self) -> dict[str, Array]:
        """All arrays of all safetensors files; a name that stands in two files raises."""
        found: dict[str, Array] = {}
        for name, data in self.weights.items():
            if name.endswith(".safetensors"):
                arrays = read_tensors(data, name)
                twice = found.keys() & arrays.keys()
                if twice:
                    raise ArtifactError(f"repeats the array {min(twice)}", where=name)
                found.update(arrays)
        return found

    def trees(self) -> str | None:
        """The LightGBM model text, where the model has one."""
        data = self.weights.get("model.txt")
        return None if data is None else data.decode()


def manifest_digest(files: Mapping[str, str]) -> str:
    """The artifact's digest from its files' SHA-256 by name; the signature does not count."""
    return digest_of({name: value for name, value in files.items() if name != SIGNATURE})


def read_artifact(folder: Path, *, expected: Mapping[str, str] | None = None) -> Artifact:
    """Read and check a model's folder.

    `expected` are SHA-256 by name that the files must have: a file that was altered, is missing
    or was added is named before anything of it is understood. Raises ArtifactError naming the
    file, and within a document the field.
    """
    contents = _contents(folder)
    signature = contents.pop(SIGNATURE, None)
    files = {name: hashlib.sha256(blob).hexdigest() for name, blob in contents.items()}
    if expected is not None:
        _compare(files, expected)
    for name in REQUIRED:
        if name not in files:
            raise ArtifactError("is missing from the model's folder", where=name)
    weights = {name: blob for name, blob in contents.items() if is_weights(name)}
    if not weights:
        raise ArtifactError(
            "there are no weights: expected *.safetensors or model.txt", where=str(folder)
        )
    for name, content in contents.items():
        check_content(name, content)
    model = read_model(read_json(contents[MODEL], MODEL))
    data = read_data(read_json(contents[DATA], DATA))
    report = read_report(read_json(contents[REPORT], REPORT))
    if model.scope.task is not model.task:
        raise ArtifactError(f"is {model.scope.task}, the model's is {model.task}",
                            where=f"{MODEL}, scope.task")  # fmt: skip
    return Artifact(
        folder=folder,
        digest=manifest_digest(files),
        files=files,
        model=model,
        data=data,
        report=report,
        weights=weights,
        signature=None if signature is None else signature.decode("utf-8", "replace"),
    )


def write_artifact(
    folder: Path,
    *,
    model: Mapping[str, Any],
    data: Mapping[str, Any],
    report: Mapping[str, Any],
    card: str,
    weights: Mapping[str, bytes],
) -> Artifact:
    """Write a model's folder, canonical and without a signature, and read it back.

    The folder must be new or empty. The same arguments give the same bytes. Raises ArtifactError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ArtifactError("the folder is not empty", where=str(folder))
    documents = {MODEL: model, DATA: data, REPORT: report}
    contents = {name: canonical(dict(value)) for name, value in documents.items()}
    contents[CARD] = card.encode()
    for name, blob in {**contents, **weights}.items():
        if not is_allowed(name) or name == SIGNATURE:
            raise ArtifactError("is no file of an unsigned model", where=name)
        (folder / name).write_bytes(blob)
    return read_artifact(folder)


def _contents(folder: Path) -> dict[str, bytes]:
    """Every file of the folder; nothing but allowed plain files may be there."""
    contents: dict[str, bytes] = {}
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise ArtifactError(
            f"the model's folder cannot be read: {error.strerror}", where=str(folder)
        ) from error
    for entry in found:
        if entry.is_symlink() or not entry.is_file():
            raise ArtifactError("is no plain file", where=entry.name)
        if not is_allowed(entry.name):
            raise ArtifactError(
                "has no place in a model's folder",
                where=entry.name,
                hint="Weights are *.safetensors or model.txt; nothing else is ever read",
            )
        limit = MAX_FILE if is_weights(entry.name) else MAX_DOCUMENT
        contents[entry.name] = _read(Path(entry.path), limit)
    return contents


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise ArtifactError(f"cannot be read: {error.strerror}", where=path.name) from error
    if len(data) > limit:
        raise ArtifactError(f"is larger than {limit:,} bytes", where=path.name)
    return data


def _compare(files: Mapping[str, str], expected: Mapping[str, str]) -> None:
    for name in sorted(files.keys() | expected.keys()):
        if name not in files:
            raise ArtifactError("is missing", where=name)
        if name not in expected:
            raise ArtifactError("was added", where=name)
        if files[name] != expected[name]:
            raise ArtifactError(
                f"was altered: expected SHA-256 {expected[name]}, found {files[name]}", where=name
            )
