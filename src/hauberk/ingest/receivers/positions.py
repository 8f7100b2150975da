"""Which records of a bus the spool holds, so that one that is delivered again is kept once.

Every record's envelope says where on the bus it stood: `nats/EVENTS~5f1c0e5d/1234/1200` is the
record 1234 of that log, and all up to 1200 had been kept before. So what is kept follows from the
spool's own lines. Before a spool file is deleted, what its lines say is in the folder's hidden
`.positions.json`; `covered` there says up to where each file is included.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hauberk.errors import HomeDamagedError

FILE = ".positions.json"

_BLOCK = 8 << 20
_NOTHING = -1


@dataclass(slots=True)
class Log:
    """One log of a bus: all up to `floor` is kept, and of `above` so many lines a record."""

    floor: int = _NOTHING
    above: dict[int, int] = field(default_factory=dict)

    def lines_of(self, position: int) -> int | None:
        """How many lines of a record are kept; None where all of it is."""
        return None if position <= self.floor else self.above.get(position, 0)

    def raise_to(self, floor: int) -> None:
        """All up to `floor` is kept, and need not be remembered one by one."""
        if floor > self.floor:
            self.floor = floor
            if self.above:
                self.above = {at: many for at, many in self.above.items() if at > floor}


def transport(kind: str, log: str, position: int, floor: int) -> str:
    """The word of an envelope that says where a record stood. No blanks or slashes in `log`."""
    return f"{kind}/{log}/{position}/{floor}"


class Positions:
    """The positions of one source, whose spool folder is `folder`; one thread alone uses it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._logs: dict[str, Log] = {}
        self._covered: dict[str, int] = {}

    @classmethod
    def of(cls, folder: Path) -> "Positions":
        """What the spool says, read anew. Raises HomeDamagedError, OSError."""
        found = cls(folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found._read()
        for path in sorted(folder.glob("*.log")):
            for word in words(path, found._covered.get(path.name, 0)):
                found._take(word)
        found.write()
        return found

    def log(self, name: str) -> Log:
        """What is kept of a log."""
        return self._logs.setdefault(name, Log())

    def newest(self, name: str) -> str:
        """The name under which a log is kept by now, after it was begun anew so many times."""
        found = [one for one in self._logs if one.startswith(f"{name}.")]
        return max(found, key=_times, default=name)

    def anew(self, name: str, end: int) -> str:
        """A log has lost what stood after `end`, and will give those positions to other records.

        The name under which it is kept from now on: what is kept after `end` does not count there.
        Raises OSError.
        """
        was = self.log(self.newest(name))
        above = {at: many for at, many in was.above.items() if at <= end}
        again = f"{name}.{_times(self.newest(name)) + 1}"
        self._logs[again] = Log(min(was.floor, end), above)
        self.write()
        return again

    @property
    def stale(self) -> bool:
        """Whether there are spool files that the positions file does not know of."""
        return {path.name for path in self._folder.glob("*.log")} != set(self._covered)

    def write(self) -> None:
        """Cover the files as they are: all of them must be on the device. Raises OSError."""
        self._covered = {}
        for path in self._folder.glob("*.log"):
            with suppress(FileNotFoundError):  # what is stored may be deleted meanwhile
                self._covered[path.name] = path.stat().st_size
        logs = {name: [log.floor, list(log.above.items())] for name, log in self._logs.items()}
        text = json.dumps({"logs": logs, "covered": self._covered}).encode()
        beside = self._folder / f"{FILE}.new"
        with beside.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._folder / FILE)
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _read(self) -> None:
        path = self._folder / FILE
        try:
            found = json.loads(path.read_bytes())
            self._covered = {str(name): int(size) for name, size in found["covered"].items()}
            for name, (floor, above) in found["logs"].items():
                self._logs[name] = Log(int(floor), {int(at): int(many) for at, many in above})
        except FileNotFoundError:
            return
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise HomeDamagedError(
                "it does not say which records of the bus are kept",
                where=str(path),
                hint="Without the file, the source goes on where its bus says; records whose"
                " acknowledgement was lost would be stored twice",
            ) from error

    def _take(self, word: bytes) -> None:
        parts = word.split(b"/")
        if len(parts) != 4:
            return
        with suppress(ValueError):
            position, floor = int(parts[2]), int(parts[3])
            log = self.log(parts[1].decode("ascii", "replace"))
            log.raise_to(floor)
            if position > log.floor:
                log.above[position] = log.above.get(position, 0) + 1


def _times(name: str) -> int:
    digits = name.rpartition(".")[2]
    return (
        int(digits) if digits.isascii() and digits.isdigit() and "~" in name[: -len(digits)] else 0
    )


def covers(folder: Path, name: str, size: int) -> bool:
    """Whether a spool file of `size` bytes may go: what it says of positions is kept elsewhere."""
    if not (folder / FILE).exists():
        return True  # of no bus
    found = _covered(folder)
    return found is not None and found.get(name, -1) >= size


def covered(folder: Path) -> list[str]:
    """The spool files that the positions of a folder speak of, whether they are there or not."""
    return list(_covered(folder) or ())


def _covered(folder: Path) -> dict[str, int] | None:
    """Sizes by name; none where the folder is of no bus; None where that cannot be read."""
    try:
        found = json.loads((folder / FILE).read_bytes())["covered"]
        return {str(name): int(size) for name, size in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def words(path: Path, begin: int) -> Iterator[bytes]:
    """The second words of the lines of a spool file, from an offset at which a line begins."""
    with path.open("rb") as file:
        file.seek(begin)
        rest = b""
        while block := file.read(_BLOCK):
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            for line in lines:
                parts = line.split(b" ", 2)
                if len(parts) == 3 and not line.startswith(b"#"):
                    yield parts[1]
