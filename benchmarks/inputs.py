"""Inputs for the speed and memory benchmarks, made from the captures into a temporary folder."""

import re
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import zstandard

from .captures import unpack

_CONN = ("zeek-stratosphere", "zeek-iot23")
_FIELDS = (
    b"ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes "
    b"conn_state local_orig local_resp missed_bytes history orig_pkts orig_ip_bytes resp_pkts "
    b"resp_ip_bytes"
).split()
_TYPES = (
    b"time string addr port addr port enum string interval count count string bool bool count "
    b"string count count count count"
).split()
_HOURS_APART = 2
_EARLIEST = 1_000_000_000.0
_PER_FILE = 1_000_000
_PER_COPY = 300_000
_YEAR = re.compile(rb"20(?:19|2\d)-(?=\d\d-)")


def windows_json(root: Path, wanted: int) -> list[Path]:
    """The Windows events of the OTRF captures as one file, each once, at most `wanted`."""
    target = root / f"windows-{wanted}.json"
    if not target.exists():
        with target.open("wb") as out:
            out.writelines(islice(_windows_lines(root), wanted))
    return [target]


def _windows_lines(root: Path) -> Iterator[bytes]:
    for path in sorted(unpack("win-otrf-atomic", root).rglob("windows/**/*.zip")):
        with zipfile.ZipFile(path) as archive:
            for member in sorted(archive.namelist()):
                if member.endswith(".json") and not member.startswith("__MACOSX"):
                    with archive.open(member) as lines:
                        for line in lines:
                            if line.startswith(b"{"):
                                yield line.rstrip() + b"\n"


def windows_copies(root: Path, wanted: int) -> list[Path]:
    """The same events again and again in other years, a packed file each time, `wanted` in all.

    No chunk of one copy is a chunk of another, so that none is known and passed over. Packed, three
    million events are half a gigabyte and not nine.
    """
    (source,) = windows_json(root, min(wanted, _PER_COPY))
    size = sum(1 for _ in source.open("rb"))
    made = []
    for number in range(-(-wanted // size)):
        target = root / f"windows-{wanted}-{number}.json.zst"
        made.append(target)
        if not target.exists():
            year = b"%d-" % (2000 + number)
            with source.open("rb") as lines, zstandard.open(target, "wb") as out:
                for line in islice(lines, min(size, wanted - number * size)):
                    out.write(_YEAR.sub(year, line))
    return made


def zeek_conn(root: Path, wanted: int) -> list[Path]:
    """Zeek connections, `wanted` of them, in files of a million.

    The flows of the captures, repeated: each time two hours later, with addresses of other
    networks and other uids.
    """
    files = -(-wanted // _PER_FILE)
    targets = [root / f"conn-{wanted}-{number}.log" for number in range(files)]
    if all(target.exists() for target in targets):
        return targets
    lines = islice(_conn_lines(root), wanted)
    for target in targets:
        with target.open("wb") as out:
            out.write(b"#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n")
            out.write(b"#unset_field\t-\n#path\tconn\n")
            out.write(b"\t".join((b"#fields", *_FIELDS)) + b"\n")
            out.write(b"\t".join((b"#types", *_TYPES)) + b"\n")
            out.writelines(islice(lines, _PER_FILE))
    return targets


def _conn_lines(root: Path) -> Iterator[bytes]:
    rows = [row for name in _CONN for path in _conn_logs(root, name) for row in _conn_rows(path)]
    number = 0
    while rows:
        for time, uid, origin, origin_port, target, rest in rows:
            at = time + number * 3600 * _HOURS_APART
            fields = (
                b"%.6f" % at, b"%s%x" % (uid, number), _moved(origin, number), origin_port,
                _moved(target, number), rest,
            )  # fmt: skip
            yield b"\t".join(fields) + b"\n"
        number += 1


def _conn_logs(root: Path, name: str) -> list[Path]:
    return sorted(path for path in unpack(name, root).rglob("conn.log*") if path.is_file())


def _conn_rows(path: Path) -> Iterator[tuple[float, bytes, bytes, bytes, bytes, bytes]]:
    """The records of one tab-separated log with the fields that every Zeek has, from 2001 on."""
    places: list[int] = []
    for line in path.read_bytes().splitlines():
        if line.startswith(b"#fields\t"):
            named = line.split(b"\t")[1:]
            places = [named.index(field) for field in _FIELDS]
        elif places and not line.startswith(b"#"):
            values = line.split(b"\t")
            if len(values) > max(places) and float(values[0]) >= _EARLIEST:
                time, uid, origin, port, target, *rest = (values[i] for i in places)
                yield float(time), uid, origin, port, target, b"\t".join(rest)


def _moved(address: bytes, by: int) -> bytes:
    """The same host in another network of its kind."""
    parts = address.split(b".")
    if len(parts) != 4:
        return address
    parts[2] = b"%d" % ((int(parts[2]) + by) % 256)
    return b".".join(parts)


def alerts(root: Path, wanted: int) -> list[Path]:
    """The alerts of the largest estate of the AIT alert set, at most `wanted`."""
    source = max(unpack("soc-ait-ads", root).rglob("*_alerts.txt"), key=lambda p: p.stat().st_size)
    target = root / f"alerts-{wanted}.txt"
    if not target.exists():
        with source.open("rb") as lines, target.open("wb") as out:
            out.writelines(islice(lines, wanted + 1))
    return [target]
