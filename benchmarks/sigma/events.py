"""Windows events for the Sigma benchmarks: one flat JSON object a line, made from the captures.

Each object has the event's fields under Sigma's names and, under `_log`, the log it came from.
"""

import json
import random
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import orjson

from benchmarks.captures import unpack
from benchmarks.inputs import windows_json
from hauberk.events import LogKey
from hauberk.ingest.formats.windows import Evtx, WindowsJson, WindowsJsonDocument
from hauberk.ingest.interface import Format, RecordBatch

BATCH = 10_000
"""Events that are judged together; about what a chunk of a scan holds."""

_CHUNK = 16 << 20
_READ_ALL = 1_000
"""Names of fields up to which all columns are read beforehand."""

_GUID = re.compile(rb"[0-9A-Fa-f]{8}(?=-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-)")
_YEAR = re.compile(rb"20[12]\d(?=-\d\d-\d\d)")
_NUMBER = re.compile(rb'("(?:[A-Za-z]*Process_?I[dD]|ThreadID|RecordNumber|\w*Handle\w*)":"?)(\d+)')
_PORT = re.compile(rb'("(?:SourcePort|SrcPort)":"?)(\d+)')

Row = dict[str, object]


class Columns:
    """`hauberk.events.Fields` over columns that were read before."""

    def __init__(self, rows: Sequence[Row]) -> None:
        names = frozenset[str]().union(*rows)
        self._names: Collection[str] = names
        self._columns: dict[str, Sequence[object]] = {}
        first = list(rows[0])
        if all(list(row) == first for row in rows):
            values = zip(*map(dict.values, rows), strict=True)
            self._columns = dict(zip(first, values, strict=True))
        elif len(names) <= _READ_ALL:
            self._columns = {name: [row.get(name) for row in rows] for name in names}
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def names(self) -> Collection[str]:
        """Names of all fields that any row has."""
        return self._names

    def column(self, name: str) -> Sequence[object] | None:
        """One value a row, or None when no row has the field."""
        if name in self._columns or name not in self._names:
            return self._columns.get(name)
        return [row.get(name) for row in self._rows]

    def has(self, name: str) -> Sequence[bool]:
        """Whether each row has the field at all."""
        return [name in row for row in self._rows]

    def row(self, index: int) -> Row:
        """All fields of one row."""
        return self._rows[index]


def groups(lines: Iterable[bytes]) -> list[tuple[LogKey, list[int], list[Row]]]:
    """Lines parsed and parted by log: the log, the places of its events among them, the events."""
    parted: dict[tuple[str, ...], tuple[list[int], list[Row]]] = {}
    for place, line in enumerate(lines):
        row = orjson.loads(line)
        places, rows = parted.setdefault(tuple(row.pop("_log")), ([], []))
        places.append(place)
        rows.append(row)
    return [(LogKey(*key), places, rows) for key, (places, rows) in parted.items()]


def batches(path: Path, wanted: int | None = None) -> Iterator[list[bytes]]:
    """Lines of a file of events, a batch at a time."""
    with path.open("rb") as file:
        lines = islice(file, wanted)
        while batch := list(islice(lines, BATCH)):
            yield batch


def real_events(root: Path, wanted: int) -> tuple[Path, int]:
    """A file of `wanted` real events and how many of those are no repeats.

    The captures are read once; after their last event they are repeated with other years, GUIDs,
    process ids, handles and ports, so that no copy has a whole event of another.
    """
    once = _unique(root)
    target, note = root / f"events-{wanted}.jsonl", root / f"events-{wanted}.txt"
    if not note.exists():
        with once.open("rb") as lines:
            known = sum(1 for _ in lines)
        with target.open("wb") as out:
            left, copy = wanted, 0
            while left > 0:
                with once.open("rb") as lines:
                    for line in islice(lines, left):
                        out.write(changed(line, copy) if copy else line)
                left, copy = left - known, copy + 1
        note.write_text(str(min(known, wanted)))
    return target, int(note.read_text())


def changed(line: bytes, copy: int) -> bytes:
    """The same event at another time, by other processes."""
    line = _YEAR.sub(b"20%02d" % (30 + copy % 60), line)
    line = _GUID.sub(b"%08X" % (0xA0000000 + copy * 65537 + len(line)), line)
    line = _NUMBER.sub(lambda found: found[1] + b"%d" % (int(found[2]) + 4 * copy), line)
    return _PORT.sub(lambda found: found[1] + b"%d" % (int(found[2]) % 60000 + copy), line)


def diverse_events(root: Path, wanted: int) -> Path:
    """Real events of as many kinds as there are: of each log and event id by turns."""
    target = root / f"diverse-{wanted}.jsonl"
    if not target.exists():
        kinds: dict[bytes, list[int]] = {}
        places: list[int] = []
        at = 0
        with _unique(root).open("rb") as lines:
            for number, line in enumerate(lines):
                kinds.setdefault(line[: line.index(b"]")], []).append(number)
                places.append(at)
                at += len(line)
        chosen: list[int] = []
        dice = random.Random(7)  # noqa: S311  # the same sample each time, nothing secret
        pools = [dice.sample(members, len(members)) for members in kinds.values()]
        while pools and len(chosen) < wanted:
            for pool in pools:
                chosen.extend(pool[-40:])
                del pool[-40:]
            pools = [pool for pool in pools if pool]
        with _unique(root).open("rb") as file, target.open("wb") as out:
            for number in sorted(chosen[:wanted]):
                file.seek(places[number])
                out.write(file.readline())
    return target


def hostile_events(root: Path, wanted: int) -> Path:
    """Process creations whose command lines never repeat, and logs with names made up.

    Keys are in random case in a third of them; a tenth name a channel of their own.
    """
    target = root / f"hostile-{wanted}.jsonl"
    if target.exists():
        return target
    dice = random.Random(11)  # noqa: S311  # the same events each time, nothing secret
    sources = [
        json.loads(line)
        for line in _unique(root).open("rb")
        if line.startswith(
            (b'{"_log":["windows","sysmon","1"', b'{"_log":["windows","security","4688"')
        )
    ]
    with target.open("wb") as out:
        for number in range(wanted):
            row = dict(dice.choice(sources))
            tail = " ".join(f"{dice.getrandbits(48):x}" for _ in range(dice.randint(1, 30)))
            for name in ("CommandLine", "ParentCommandLine", "ProcessCommandLine"):
                if row.get(name):
                    row[name] = f"{row[name]} {number} {tail}"
            if not dice.randrange(3):
                row = {_cased(k, dice) if k != "_log" else k: v for k, v in row.items()}
            if not dice.randrange(10):
                row["_log"] = ["windows", _cased(f"channel-{number}", dice), str(number)]
            out.write(orjson.dumps(row) + b"\n")
    return target


def _cased(text: str, dice: random.Random) -> str:
    return "".join(dice.choice((letter.lower(), letter.upper())) for letter in text)


def _unique(root: Path) -> Path:
    """Every event of the captures once, flat, one a line."""
    target = root / "captures.jsonl"
    if not target.exists():
        partial = root / "captures.part"
        with partial.open("wb") as out:
            for form, path in _files(root):
                for chunk in _chunks(form, path):
                    for parsed in form.parse(chunk).groups:
                        key, fields = parsed.group.key, parsed.group.fields
                        log = [key.product, key.service, key.event_code]
                        for index in range(len(fields)):
                            row = {"_log": log, **fields.row(index)}
                            out.write(orjson.dumps(row, default=str) + b"\n")
        partial.rename(target)
    return target


def _files(root: Path) -> Iterator[tuple[Format, Path]]:
    for path in windows_json(root, 1_000_000):
        yield WindowsJson(), path
    for path in sorted(unpack("win-atomic-evtx", root).rglob("*.json")):
        head = path.read_bytes()[:65536]
        lines: Format = WindowsJson()
        document: Format = WindowsJsonDocument()
        yield (lines if lines.sniff(head, path) > document.sniff(head, path) else document), path
    for name in ("win-evtx-to-mitre", "win-benign-evtx", "sigma-regression"):
        for path in sorted(unpack(name, root).rglob("*.evtx")):
            yield Evtx(), path


def _chunks(form: Format, path: Path) -> Iterator[RecordBatch]:
    if isinstance(form, WindowsJson):
        with path.open("rb") as file:
            rest = b""
            while block := file.read(_CHUNK):
                whole, end, rest = (rest + block).rpartition(b"\n")
                yield RecordBatch(whole + end, path.name, head=whole[:65536])
            if rest:
                yield RecordBatch(rest, path.name, head=rest[:65536])
        return
    data = path.read_bytes()
    if isinstance(form, Evtx):
        yield RecordBatch(data[4096:], path.name, offset=4096, head=data[:4096])
    else:
        yield RecordBatch(data, path.name, head=data[:65536])
