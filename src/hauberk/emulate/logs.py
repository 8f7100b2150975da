"""The folder of logs: what is put is sorted by time and written a slice at a time.

Memory holds what lies between the last flush and the latest record that was put, no more.
"""

import gzip
import os
from collections.abc import Callable
from pathlib import Path

from .times import DAY, HOUR, day_name, iso_seconds
from .truth import Step

_CLOUD = "cloudtrail/"
_Record = tuple[float, int, bytes, list[int] | None, Step | None]

NUMBER = b"\0"
"""Stands in a line where its number in its own log (Windows' record id) will be."""


class Logs:
    """Every file under logs/. Lines are put in any order of time within what is not yet flushed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.marked: Step | None = None
        self.records = 0
        self._buffers: dict[str, list[_Record]] = {}
        self._written: dict[str, int] = {}
        self._headers: dict[str, Callable[[float], bytes]] = {}
        self._latest: dict[str, float] = {}
        self._put = 0

    @property
    def files(self) -> int:
        """How many files were written."""
        return len(self._written)

    def header(self, name: str, text: Callable[[float], bytes]) -> None:
        """What files of that name begin with, given the time of their first record."""
        self._headers[name] = text

    def put(self, file: str, time: float, line: bytes, number: list[int] | None = None) -> None:
        """Add a line (without its end) to a file; `{day}` in its name is the record's date.

        `number` counts a log within the file: it is raised and stands for NUMBER in the line.
        """
        file = file.replace("{day}", day_name(int(time // DAY)))
        self._put += 1
        record = (time, self._put, line, number, self.marked)
        buffer = self._buffers.get(file)
        if buffer is None:
            self._buffers[file] = [record]
        else:
            buffer.append(record)

    def put_cloud(self, account: str, region: str, time: float, line: bytes) -> None:
        """Add a CloudTrail record to the document of its hour."""
        hour = iso_seconds(time // HOUR * HOUR)
        day = hour[:10].replace("-", "/")
        stamp = hour.replace("-", "").replace(":", "")[:13] + "Z"
        name = f"{account}_CloudTrail_{region}_{stamp}.json.gz"
        self.put(f"{_CLOUD}{region}/{day}/{name}", time, line)

    def flush(self, before: float) -> None:
        """Write what is earlier than `before`, sorted."""
        for file in sorted(self._buffers):
            records = self._buffers[file]
            if file.startswith(_CLOUD):
                if records[0][0] // HOUR * HOUR + HOUR > before:
                    continue
                due, later = sorted(records, key=_order), []
            else:
                records.sort(key=_order)
                cut = len(records)
                while cut and records[cut - 1][0] >= before:
                    cut -= 1
                due, later = records[:cut], records[cut:]
            if due:
                self._write(file, due)
            if later:
                self._buffers[file] = later
            else:
                del self._buffers[file]

    def close(self, until: float) -> None:
        """Write what is left up to `until`, and give each file the time of its last record."""
        for file in list(self._buffers):
            kept = [record for record in self._buffers[file] if record[0] < until]
            if kept:
                self._buffers[file] = kept
            else:
                del self._buffers[file]
        self.flush(float("inf"))
        for file, time in self._latest.items():
            os.utime(self.root / file, (time, time))

    def _write(self, file: str, due: list[_Record]) -> None:
        path = self.root / file
        written = self._written.get(file, 0)
        lines = []
        for at, (time, _, line, number, step) in enumerate(due, written + 1):
            if number is not None:
                number[0] += 1
                line = line.replace(NUMBER, b"%d" % number[0])  # noqa: PLW2901
            lines.append(line)
            if step is not None:
                step.seen(file, at, time)
        if not written:
            path.parent.mkdir(parents=True, exist_ok=True)
        if file.startswith(_CLOUD):
            document = b'{"Records":[' + b",".join(lines) + b"]}"
            path.write_bytes(gzip.compress(document, 6, mtime=0))
        else:
            with path.open("ab" if written else "wb") as stream:
                header = self._headers.get(path.name)
                if header is not None and not written:
                    stream.write(header(due[0][0]))
                stream.write(b"\n".join(lines) + b"\n")
        self._written[file] = written + len(due)
        self._latest[file] = due[-1][0]
        self.records += len(due)


def _order(record: _Record) -> tuple[float, int]:
    return record[0], record[1]
