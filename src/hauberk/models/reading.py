"""JSON from strangers, read field by field, so that a fault is told by file and field."""

import json
import math
from collections.abc import Callable, Collection
from typing import Any, TypeVar

import rfc8785

from hauberk.errors import RefusedError

MAX_DOCUMENT = 16 << 20
"""Bytes of a JSON document of an artifact."""

_T = TypeVar("_T")
Json = dict[str, Any]  # what stands in a stranger's document is known once it was asked for


class ArtifactError(RefusedError):
    """A file of a model's folder is not what the contract says; names file and field."""


def canonical(value: object) -> bytes:
    """RFC 8785 canonical JSON. Raises ArtifactError for what is not JSON."""
    try:
        return rfc8785.dumps(value)  # type: ignore[arg-type]  # checked by rfc8785 itself
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise ArtifactError(f"cannot be written as canonical JSON: {error}") from error


def read_json(data: bytes, file: str) -> Json:
    """The JSON object that a file holds. Raises ArtifactError naming the file."""
    try:
        value = json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"is no JSON: {error}", where=file) from error
    if not isinstance(value, dict):
        raise ArtifactError("is no JSON object", where=file)
    return value


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON number")


class Fields:
    """The fields of one object of a document, each asked for with what it must be.

    `file` and `place` say where the object stands; every ask may raise ArtifactError naming both.
    """

    def __init__(self, value: object, file: str, place: str = "") -> None:
        self.file, self.place = file, place
        if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
            raise self.wrong("", "expected an object")
        self.value: Json = value

    def wrong(self, name: str, said: str) -> ArtifactError:
        """The error that names a field."""
        place = ".".join(part for part in (self.place, name) if part)
        return ArtifactError(said, where=f"{self.file}, {place}" if place else self.file)

    def _get(self, name: str, test: Callable[[Any], bool], expected: str) -> Any:
        if name not in self.value:
            raise self.wrong(name, f"is missing; expected {expected}")
        value = self.value[name]
        if not test(value):
            raise self.wrong(name, f"expected {expected}")
        return value

    def text(self, name: str, *, empty: bool = False) -> str:
        """Text of at most 10,000 characters."""
        found: str = self._get(
            name, lambda v: isinstance(v, str) and (empty or v != "") and len(v) <= 10_000, "text"
        )
        return found

    def digest(self, name: str) -> str:
        """A SHA-256 in lower-case hex."""
        found: str = self._get(name, is_digest, "a SHA-256 in hex")
        return found

    def number(self, name: str) -> float:
        """A finite number."""
        return float(self._get(name, is_number, "a finite number"))

    def integer(self, name: str, least: int = 0) -> int:
        """A whole number that is no smaller than `least`."""
        found: int = self._get(
            name,
            lambda v: isinstance(v, int) and not isinstance(v, bool) and v >= least,
            f"a whole number of at least {least}",
        )
        return found

    def flag(self, name: str) -> bool:
        """True or false."""
        found: bool = self._get(name, lambda v: isinstance(v, bool), "true or false")
        return found

    def object(self, name: str) -> "Fields":
        """An object."""
        found = self._get(name, lambda v: isinstance(v, dict), "an object")
        return Fields(found, self.file, f"{self.place}.{name}" if self.place else name)

    def objects(self, name: str) -> list["Fields"]:
        """A list of objects."""
        found = self._get(name, lambda v: isinstance(v, list), "a list of objects")
        place = f"{self.place}.{name}" if self.place else name
        return [Fields(one, self.file, f"{place}[{at}]") for at, one in enumerate(found)]

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        found = self._get(
            name,
            lambda v: isinstance(v, list) and all(isinstance(one, str) for one in v),
            "a list of texts",
        )
        return tuple(found)

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list of finite numbers."""
        found = self._get(
            name, lambda v: isinstance(v, list) and all(map(is_number, v)), "a list of numbers"
        )
        return tuple(float(one) for one in found)

    def optional(self, name: str, ask: Callable[[str], _T], default: _T) -> _T:
        """What `ask` gives, or the default where the field is absent or null."""
        return default if self.value.get(name) is None else ask(name)

    def known(self, names: Collection[str]) -> None:
        """Refuse a field that the contract does not have."""
        for name in self.value:
            if name not in names:
                raise self.wrong(name, "is not a field of the contract")


def is_digest(value: object) -> bool:
    """Whether this is a SHA-256 in lower-case hex."""
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def is_number(value: object) -> bool:
    """Whether this is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
