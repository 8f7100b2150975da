"""What a feature set must be able to do once it is fitted or loaded."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from .matrix import Array, Learned, Matrix


class LoadedFeatures(Protocol):
    """A fitted feature set."""

    @property
    def names(self) -> tuple[str, ...]:
        """The named numbers, in the order of `Matrix.dense`."""
        ...

    def extract(self, records: Sequence[Any]) -> Matrix:
        """One row a record; never raises on odd records."""
        ...

    def pieces(self, record: Any) -> Mapping[int, tuple[str, ...]]:
        """The pieces of a record's text by the bucket that they fall in."""
        ...

    def learned(self) -> Learned:
        """What an artifact keeps of it."""
        ...

    @classmethod
    def load(cls, schema: Mapping[str, Any], arrays: Mapping[str, Array]) -> "LoadedFeatures":
        """From an artifact's schema and arrays."""
        ...
