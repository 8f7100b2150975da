"""A detector that fails costs its own findings and nobody else's."""

from dataclasses import dataclass

import polars as pl

from hauberk.detect import Detector, State
from hauberk.events import EventBatch, no_findings


@dataclass(frozen=True, slots=True)
class DetectorFault:
    """A batch that a detector could not judge. Its state stays as it was before that batch."""

    detector: str
    version: str
    batch: str
    events: int
    error: str

    @property
    def who(self) -> str:
        """Whose fault it is."""
        return f"detector {self.detector}"

    def __str__(self) -> str:
        return (
            f"{self.detector} {self.version} could not judge {self.events:,} events "
            f"of {self.batch}: {self.error}"
        )


def judged(
    detector: Detector, batch: EventBatch, state: State
) -> tuple[pl.DataFrame, State, DetectorFault | None]:
    """What the detector says of the batch and remembers, or the fault that kept it from it."""
    try:
        findings, after = detector.judge(batch, state)
    except Exception as error:  # noqa: BLE001  # whatever a detector of anybody's raises
        spec = detector.spec
        fault = DetectorFault(
            spec.name,
            spec.version,
            batch.batch_id,
            batch.height,
            f"{type(error).__name__}: {error}",
        )
        return no_findings(), state, fault
    return findings, after, None
