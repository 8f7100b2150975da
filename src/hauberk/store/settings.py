"""Settings of a running system: `HOME/hauberk.toml`, read into tables that know where they stand.

What a table may hold is told by the room that reads it, by the readings of `Table`: each checks
what it is given, and every error names file, line, table, key and what was expected.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hauberk.errors import UsageError

SETTINGS = "hauberk.toml"
MAX_SETTINGS = 1 << 20

TABLES = frozenset(
    {
        "console",
        "database",
        "identity",
        "inference",
        "outputs",
        "retention",
        "source",  # [[source]], [sources.NAME] and [spool]: those of `hauberk watch --sources`
        "sources",
        "spool",
        "up",
        "watch",
    }
)
"""Tables that some room reads; another one is an error, or a slip of a letter would go unseen."""

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?\Z")
_KEY = re.compile(r"\s*([A-Za-z0-9_\-.\"' ]+?)\s*=")


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a settings file: `values` as TOML has them, `path` to it within the file.

    Numbers in `path` are places in a list of tables, from 0.
    """

    file: Path
    values: Mapping[str, Any]  # as TOML has it; every reading checks the type
    path: tuple[str | int, ...] = ()
    lines: Mapping[tuple[str | int, ...], int] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """`outputs.siem`, or nothing for the whole file."""
        return ".".join(str(one) for one in self.path)

    def where(self, key: str | None = None) -> str:
        """File, line and table, for people."""
        full = (*self.path, *([] if key is None else [key]))
        line = next(
            (self.lines[full[:n]] for n in range(len(full), 0, -1) if full[:n] in self.lines), 0
        )
        place = f"{self.file}, line {line}" if line else str(self.file)
        return f"{place}, [{self.name}]" if self.path else place

    def wrong(self, key: str, expected: str) -> UsageError:
        """The error for a value that is missing, or is not what was expected."""
        what = f"{key} is {self.values[key]!r:.80}" if key in self.values else f"{key} is missing"
        return UsageError(what, where=self.where(key), hint=f"Expected {expected}")

    def only(self, *keys: str) -> None:
        """Refuse every other key. Raises UsageError."""
        for key in self.values:
            if key not in keys:
                near = difflib.get_close_matches(key, keys, 1)
                hint = f"Did you mean {near[0]}" if near else f"Expected {_either(keys)}"
                raise UsageError(f"{key} means nothing here", where=self.where(key), hint=hint)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def __bool__(self) -> bool:
        return bool(self.values)

    def text(self, key: str, expected: str = "a text", default: str | None = None) -> str:
        """A text that is not empty. Raises UsageError where it is missing without a default."""
        value = self.values.get(key, default)
        if not isinstance(value, str) or not value:
            raise self.wrong(key, expected)
        return value

    def number(
        self, key: str, default: float | None = None, *, least: float = 0, most: float = 2**40
    ) -> float:
        """A number within bounds. Raises UsageError."""
        value = self.values.get(key, default)
        if type(value) not in (int, float) or not least <= value <= most:
            raise self.wrong(key, f"a number from {least:,} to {most:,}")
        return float(value)

    def whole(
        self, key: str, default: int | None = None, *, least: int = 0, most: int = 2**40
    ) -> int:
        """A whole number within bounds. Raises UsageError."""
        value = self.values.get(key, default)
        if type(value) is not int or not least <= value <= most:
            raise self.wrong(key, f"a whole number from {least:,} to {most:,}")
        return value

    def flag(self, key: str, default: bool | None = None) -> bool:
        """True or false. Raises UsageError."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def texts(self, key: str, expected: str = "a list of texts") -> list[str]:
        """A list of texts, empty where the key is missing. Raises UsageError."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise self.wrong(key, expected)
        return value

    def file_path(self, key: str, expected: str = "a path") -> Path:
        """A path; a relative one is relative to the settings file. Raises UsageError."""
        return self.file.parent / Path(self.text(key, expected)).expanduser()

    def secret(self, key: str, expected: str = "a secret") -> str:
        """A secret: a text, `{ env = "NAME" }`, or `{ file = "PATH" }` (0600).

        Raises UsageError, which never says what the secret is.
        """
        value = self.values.get(key)
        hint = f'Expected {expected}: a text, {{ env = "NAME" }} or {{ file = "PATH" }}'
        if isinstance(value, str) and value:
            return value
        if isinstance(value, dict) and list(value) == ["env"]:
            name = self.table(key).text("env")
            found = os.environ.get(name)
            if not found:
                what = f"{key}: the environment has no {name}"
                raise UsageError(what, where=self.where(key))
            return found
        if isinstance(value, dict) and list(value) == ["file"]:
            return self._secret_file(key, self.table(key).file_path("file"))
        what = f"{key} is no secret" if key in self.values else f"{key} is missing"
        raise UsageError(what, where=self.where(key), hint=hint)

    def _secret_file(self, key: str, path: Path) -> str:
        try:
            mode = path.stat().st_mode
            text = path.read_text("utf-8").strip()
        except (OSError, ValueError) as error:
            what = f"{key}: {path} cannot be read"
            raise UsageError(what, where=self.where(key)) from error
        if os.name == "posix" and mode & 0o077:
            what = f"{key}: others than its owner may read {path}"
            raise UsageError(what, where=self.where(key), hint=f"chmod 600 {path}")
        if not text:
            raise UsageError(f"{key}: {path} is empty", where=self.where(key))
        return text

    def table(self, key: str) -> "Table":
        """A table within this one, empty where there is none. Raises UsageError."""
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, "a table")
        return Table(self.file, value, (*self.path, key), self.lines)

    def tables(self) -> Iterator[tuple[str, "Table"]]:
        """The tables within this one by name, as of `[outputs.NAME]`. Raises UsageError."""
        for key in self.values:
            yield key, self.table(key)

    def list_of(self, key: str) -> list["Table"]:
        """A list of tables (`[[source]]`), empty where there is none. Raises UsageError."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.wrong(key, f"tables: [[{key}]]")
        return [
            Table(self.file, one, (*self.path, key, number), self.lines)
            for number, one in enumerate(value)
        ]


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole settings file. `present` says whether there is one: without one all is empty."""

    path: Path
    top: Table
    present: bool
    exposed: bool
    """Whether others than its owner may read it, which holds for nobody where it has secrets."""

    def table(self, name: str) -> Table:
        """The table of a room, empty where the file has none. `name` is one of TABLES."""
        assert name in TABLES, name
        return self.top.table(name)


def load_settings(home: Path) -> Settings:
    """Read `hauberk.toml` of a home. Raises UsageError naming line and what was expected."""
    return read_settings(home / SETTINGS)


def read_settings(path: Path) -> Settings:
    """Read a settings file by its path; one that does not exist is empty. Raises UsageError."""
    path = path.absolute()
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SETTINGS + 1)
            mode = os.fstat(file.fileno()).st_mode
    except FileNotFoundError:
        return Settings(path, Table(path, {}), present=False, exposed=False)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from error
    try:
        if len(data) > MAX_SETTINGS:
            raise ValueError(f"more than {MAX_SETTINGS} bytes")
        text = data.decode("utf-8")
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"this is no TOML: {error}", where=str(path)) from error
    top = Table(path, values, (), _lines(text))
    top.only(*sorted(TABLES))
    return Settings(path, top, present=True, exposed=os.name == "posix" and bool(mode & 0o077))


def _either(keys: tuple[str, ...]) -> str:
    return f"one of {', '.join(keys)}" if keys else "nothing"


def _lines(text: str) -> dict[tuple[str | int, ...], int]:
    """Lines (from 1) of tables and keys, as far as they are written plainly: only errors ask."""
    found: dict[tuple[str | int, ...], int] = {}
    counts: dict[tuple[str | int, ...], int] = {}
    inside: tuple[str | int, ...] = ()
    quoted = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if quoted:
            quoted = "" if quoted in line else quoted
            continue
        header = _HEADER.match(line)
        key = None if header else _KEY.match(line)
        if header:
            inside = _path(header[2], counts)
            if header[1] == "[[":
                counts[inside] = counts.get(inside, -1) + 1
                inside = (*inside, counts[inside])
            found.setdefault(inside, number)
        elif key:
            found.setdefault((*inside, *_parts(key[1])), number)
        quoted = next((one for one in ('"""', "'''") if line.count(one) % 2), "")
    return found


def _path(header: str, counts: Mapping[tuple[str | int, ...], int]) -> tuple[str | int, ...]:
    """A header's path; within a list of tables it goes on from the last one."""
    path: tuple[str | int, ...] = ()
    parts = _parts(header)
    for at, part in enumerate(parts):
        path = (*path, part)
        if path in counts and at < len(parts) - 1:
            path = (*path, counts[path])
    return path


def _parts(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]
