"""Whether a file of an artifact is plain data: nothing that a loader could run.

What may lie in a model's folder is a closed list; whatever else is there is named and refused,
and so is a listed file whose content is something else than its name says.
"""

from .documents import CARD, DATA, MODEL, REPORT, SIGNATURE
from .reading import ArtifactError
from .tensors import read_tensors

TREES = "model.txt"
TENSORS = ".safetensors"
MAX_FILE = 1 << 30
"""Bytes of a weights file."""

_CODE = {
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"PK\x03\x04": "a zip archive",
    b"\x7fELF": "an ELF program",
    b"MZ": "a Windows program",
    b"#!": "a script",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip stream",
}


def is_allowed(name: str) -> bool:
    """Whether a file of this name may lie in a model's folder."""
    stem = name.removesuffix(TENSORS)
    weights = name.endswith(TENSORS) and stem != "" and not stem.startswith(".")
    return name in (MODEL, DATA, REPORT, CARD, SIGNATURE, TREES) or (weights and "/" not in name)


def is_weights(name: str) -> bool:
    """Whether a file of this name holds weights."""
    return name == TREES or name.endswith(TENSORS)


def check_content(name: str, data: bytes) -> None:
    """Refuse content that is no plain data of its name's kind. Raises ArtifactError."""
    for magic, kind in _CODE.items():
        if data.startswith(magic) and not name.endswith(TENSORS):
            raise ArtifactError(f"holds {kind}, which is never read", where=name)
    if name.endswith(TENSORS):
        read_tensors(data, name)
    elif name == TREES:
        _text(name, data)
        if not data.startswith(b"tree\n"):
            raise ArtifactError(
                "is no LightGBM model text: it does not begin with `tree`", where=name
            )
    else:
        _text(name, data)


def _text(name: str, data: bytes) -> None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ArtifactError(
            f"is no text: {error.reason} at byte {error.start}", where=name
        ) from None
    if "\0" in text:
        raise ArtifactError("is no text: it holds NUL", where=name)
