"""Tables of a settings file, read strictly: what is wrong is told by place, key and wish."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hauberk.errors import UsageError

MAX_LIST = 1000


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the file, where it stands, and the folder that its paths are relative to."""

    values: Mapping[str, Any]  # as TOML has it; every reading checks the type
    where: str
    beside: Path

    def wrong(self, key: str, expected: str) -> UsageError:
        """The error that says what a key is and what was expected."""
        what = f"{key} is {self.values[key]!r:.80}" if key in self.values else f"{key} is missing"
        return UsageError(what, where=self.where, hint=f"Expected {expected}")

    def only(self, *keys: str) -> None:
        """Raise UsageError where there is any other key."""
        for key in self.values:
            if key not in keys:
                hint = f"Expected one of {', '.join(keys)}"
                raise UsageError(f"{key} means nothing here", where=self.where, hint=hint)

    def table(self, key: str) -> "Table":
        """The table of a key; an empty one where it is missing. Raises UsageError."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, "a table")
        return Table(value, f"{self.where}, {key}", self.beside)

    def text(self, key: str, expected: str) -> str:
        """A text that is not empty. Raises UsageError."""
        value = self.values.get(key)
        if not isinstance(value, str) or not value:
            raise self.wrong(key, expected)
        return value

    def texts(self, key: str, expected: str) -> tuple[str, ...]:
        """A list of texts, none of them empty, at least one. Raises UsageError."""
        value = self.values.get(key)
        if (
            not isinstance(value, list)
            or not 0 < len(value) <= MAX_LIST
            or not all(isinstance(one, str) and one for one in value)
        ):
            raise self.wrong(key, expected)
        return tuple(value)

    def number(self, key: str) -> int | None:
        """A whole number above 0, None where it is missing. Raises UsageError."""
        value = self.values.get(key)
        if value is not None and (type(value) is not int or not 0 < value < 2**40):
            raise self.wrong(key, "a whole number above 0")
        return value

    def file(self, key: str, expected: str) -> Path:
        """A file that there is; relative to the settings file's folder. Raises UsageError."""
        found = self.beside / Path(self.text(key, expected)).expanduser()
        if not found.is_file():
            raise UsageError(f"{key}: there is no file {found}", where=self.where)
        return found
