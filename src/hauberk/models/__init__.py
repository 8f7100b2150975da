"""Models as signed data: how they are trained, judged, registered, rolled out and watched."""

from .artifact import Artifact, manifest_digest, read_artifact, write_artifact
from .documents import (
    Calibration,
    DataSource,
    GateResult,
    Measured,
    Model,
    Report,
    Scope,
    Task,
    digest_of,
)
from .reading import ArtifactError, canonical
from .tensors import Array, read_tensors, write_tensors

__all__ = [
    "Array",
    "Artifact",
    "ArtifactError",
    "Calibration",
    "DataSource",
    "GateResult",
    "Measured",
    "Model",
    "Report",
    "Scope",
    "Task",
    "canonical",
    "digest_of",
    "manifest_digest",
    "read_artifact",
    "read_tensors",
    "write_artifact",
    "write_tensors",
]
