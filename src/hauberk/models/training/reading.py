"""Data sources into samples: files named by a recipe, hashed, read, keyed and de-duplicated.

A reader is one function in `READERS`: paths and options in, records out. It never raises on bad
records; it skips them, and the counts in the manifest say how many rows were read.
"""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hauberk.errors import UnreadableInputError, UsageError
from hauberk.models.features.domain import registered

from .recipe import Recipe, Source
from .samples import Record, Samples, deduplicated, together

MAX_FILE = 256 << 20
MAX_LINE = 1 << 20


@dataclass(frozen=True, slots=True)
class Read:
    """One record as read: its group (empty: the source itself), and its key for duplicates.

    `time` is NaN and `label` -1 where the source says neither.
    """

    record: Record
    group: str
    key: str
    time: float = float("nan")
    label: int = -1


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was read of one source, before and after duplicates were taken out."""

    source: Source
    files: Mapping[str, str]
    rows: int
    kept: int
    groups: int

    def document(self) -> dict[str, Any]:
        """The source's entry in `data.json`."""
        return {
            "name": self.source.name,
            "files": [{"path": path, "sha256": digest} for path, digest in self.files.items()],
            "rows": self.rows,
            "rows_after_dedupe": self.kept,
            "groups": self.groups,
            "licence": self.source.licence,
            "redistribution": self.source.redistribution,
            "purpose": self.source.purpose,
            "synthetic_share": 1.0 if self.source.synthetic else 0.0,
            "lineage": [],
        }


Reader = Callable[[Sequence[bytes], Mapping[str, Any]], Iterator[Read]]


def read_sources(
    recipe: Recipe, data: Path, readers: Mapping[str, Reader]
) -> tuple[Samples, list[Manifest], dict[str, list[bytes]]]:
    """All labelled sources as one de-duplicated whole, and the bytes of `words` sources by name.

    Of more rows than `limit`, those with the smallest hash are taken: the same ones every time.
    """
    parts: list[Samples] = []
    files: dict[str, dict[str, str]] = {}
    words: dict[str, list[bytes]] = {}
    counts: dict[str, int] = {}
    for source in recipe.sources:
        found = locate(data, source) if source.files else []
        blobs = [_bytes(path) for _, path in found]
        files[source.name] = {
            name: hashlib.sha256(blob).hexdigest()
            for (name, _), blob in zip(found, blobs, strict=True)
        }
        if source.role == "words":
            words[source.name] = blobs
            counts[source.name] = len(blobs)
            continue
        if source.reader == "generators":
            continue
        reader = readers.get(source.reader)
        if reader is None:
            raise UsageError(f"there is no reader {source.reader}", where=f"source {source.name}",
                             hint=f"Readers: {', '.join(sorted(readers))}")  # fmt: skip
        reads = list(reader(blobs, source.options))
        counts[source.name] = len(reads)
        parts.append(_samples(source, _limited(reads, source.limit)))
    samples = deduplicated(together(parts))
    manifests = [
        _manifest(source, files[source.name], counts.get(source.name, 0), samples)
        for source in recipe.sources
        if files[source.name]
    ]
    return samples, manifests, words


def _manifest(source: Source, files: dict[str, str], rows: int, samples: Samples) -> Manifest:
    mine = samples.where(sources=(source.name,))
    kept = rows if source.role == "words" else len(mine)
    groups = len(np.unique(samples.groups[mine]))
    return Manifest(source, files, rows, kept, groups)


def locate(data: Path, source: Source) -> list[tuple[str, Path]]:
    """The files of a source as (name below the data folder, path), sorted by name.

    Raises UnreadableInputError where a glob matches nothing.
    """
    roots = [data / source.set / source.set, data / source.set]
    found: list[tuple[str, Path]] = []
    for pattern in source.files:
        if ".." in Path(pattern).parts or Path(pattern).is_absolute():
            raise UsageError("leads out of the data folder", where=f"{source.name}, {pattern}")
        for root in roots:
            matches = sorted(path for path in root.glob(pattern) if path.is_file())
            if matches:
                found += [(f"{source.set}/{path.relative_to(root)}", path) for path in matches]
                break
        else:
            raise UnreadableInputError(
                "no such file",
                where=f"{roots[1] / pattern}",
                hint=f"Unpack the set {source.set} there, or name its folder with --data",
            )
    return found


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            blob = file.read(MAX_FILE + 1)
    except OSError as error:
        raise UnreadableInputError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if len(blob) > MAX_FILE:
        raise UnreadableInputError(f"is larger than {MAX_FILE:,} bytes", where=str(path))
    return blob


def _limited(reads: list[Read], limit: int) -> list[Read]:
    if len(reads) <= limit:
        return reads
    order = sorted(
        range(len(reads)),
        key=lambda at: hashlib.blake2b(reads[at].key.encode("utf-8", "replace")).digest(),
    )
    return [reads[at] for at in sorted(order[:limit])]


def _samples(source: Source, reads: list[Read]) -> Samples:
    labels = [source.label if source.label >= 0 else read.label for read in reads]
    return Samples(
        [read.record for read in reads],
        np.array(labels, dtype=np.int8),
        np.full(len(reads), source.name, dtype=f"U{max(len(source.name), 1)}"),
        np.array([read.group or source.name for read in reads], dtype=np.str_),
        np.array([read.key for read in reads], dtype=np.str_),
        np.array([read.time for read in reads], dtype=np.float64),
        np.full(len(reads), "test" if source.role == "test" else "train", dtype="U9"),
    )


def made_up(source: Source, names: Sequence[str]) -> Samples:
    """Samples of made-up names (see generators.py), all for training."""
    labels = registered(names)["label"].to_list()
    reads = [Read(name, "", f"domain:{label}") for name, label in zip(names, labels, strict=True)]
    return replace(_samples(source, reads))


def lines(blobs: Sequence[bytes]) -> Iterator[str]:
    """The lines of files as text, without blank ones; over-long ones are cut."""
    for blob in blobs:
        for line in io.BytesIO(blob):
            text = line[:MAX_LINE].decode("utf-8", "replace").strip()
            if text:
                yield text


def table(blobs: Sequence[bytes]) -> Iterator[dict[str, str]]:
    """The rows of CSV files with a header; rows that do not fit are skipped."""
    csv.field_size_limit(MAX_LINE * 8)
    for blob in blobs:
        text = io.StringIO(blob.decode("utf-8", "replace").replace("\0", ""), newline="")
        reader = csv.DictReader(text)
        rows = iter(reader)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                break
            except csv.Error:
                continue
            yield {name: value or "" for name, value in row.items() if isinstance(name, str)}


def domain_list(blobs: Sequence[bytes], options: Mapping[str, Any]) -> Iterator[Read]:
    """One name a line; `column` chooses a comma-separated field.

    Its group is the source where `family` is set, else the registered label.
    """
    column = int(options.get("column", 0))
    names = [text.split(",")[column] for text in lines(blobs) if text.count(",") >= column]
    yield from _domains(names, family=bool(options.get("family", False)))


def misp_list(blobs: Sequence[bytes], options: Mapping[str, Any]) -> Iterator[Read]:
    """The `list` of MISP warning lists."""
    for blob in blobs:
        try:
            found = json.loads(blob)
        except (ValueError, RecursionError):
            continue
        names = found.get("list", []) if isinstance(found, dict) else []
        kept = [name for name in names if isinstance(name, str)]
        yield from _domains(kept, family=bool(options.get("family", False)))


def _domains(names: Sequence[str], *, family: bool) -> Iterator[Read]:
    labels = registered(names)["label"].to_list()
    for name, label in zip(names, labels, strict=True):
        if label:
            yield Read(name, "" if family else f"label:{label}", f"domain:{label}")


DOMAIN_READERS: dict[str, Reader] = {"domain-list": domain_list, "misp-list": misp_list}
