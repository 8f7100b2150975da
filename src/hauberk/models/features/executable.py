"""Static features of Windows executables: numbers of the headers and sections.

Two ways in, one row of numbers out: tables of header values as published (ClaMP's integrated
columns), and files, read by `pefile` (extra `models`), bounded and never run. Feature sets as
published for EMBER are JSON lines that users fetch themselves; see `ember_row`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np

from hauberk.errors import UsageError

from .matrix import Array, Learned, Matrix

MAX_FILE = 64 << 20
MAX_SECTIONS = 96

COLUMNS = (
    "e_cblp", "e_cp", "e_cparhdr", "e_maxalloc", "e_sp", "e_lfanew", "NumberOfSections",
    "CreationYear", *(f"FH_char{bit}" for bit in range(15)), "MajorLinkerVersion",
    "MinorLinkerVersion", "SizeOfCode", "SizeOfInitializedData", "SizeOfUninitializedData",
    "AddressOfEntryPoint", "BaseOfCode", "BaseOfData", "ImageBase", "SectionAlignment",
    "FileAlignment", "MajorOperatingSystemVersion", "MinorOperatingSystemVersion",
    "MajorImageVersion", "MinorImageVersion", "MajorSubsystemVersion", "MinorSubsystemVersion",
    "SizeOfImage", "SizeOfHeaders", "CheckSum", "Subsystem",
    *(f"OH_DLLchar{bit}" for bit in range(11)), "SizeOfStackReserve", "SizeOfStackCommit",
    "SizeOfHeapReserve", "SizeOfHeapCommit", "LoaderFlags", "sus_sections", "non_sus_sections",
    "E_text", "E_data", "filesize", "E_file", "fileinfo",
)  # fmt: skip
"""ClaMP's integrated columns that are numbers; the packer's name (a signature's word) is not."""

FREE = (
    "e_cblp", "e_cp", "e_cparhdr", "e_maxalloc", "e_sp", "CreationYear", "MajorLinkerVersion",
    "MinorLinkerVersion", "MajorImageVersion", "MinorImageVersion", "CheckSum", "fileinfo",
    "MinorOperatingSystemVersion", "SizeOfStackCommit", "SizeOfHeapReserve", "SizeOfHeapCommit",
    "LoaderFlags",
)  # fmt: skip
"""Header fields that the loader ignores or tolerates: an attacker writes what they like there."""

EMBER_GROUPS = (
    "histogram", "byteentropy", "strings", "general", "header", "section", "imports", "exports",
    "datadirectories",
)  # fmt: skip

_VERSION_KEY = "VS_VERSION_INFO".encode("utf-16-le")
"""What a file's version information begins with (`fileinfo`); resources are not parsed for it."""

_ORDINARY_SECTIONS = frozenset(
    (".text", ".data", ".rdata", ".idata", ".edata", ".rsrc", ".bss", ".crt", ".tls", ".reloc",
     ".pdata", ".debug", "code", "data")
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ExecutableFeatures:
    """Rows of header numbers, by column name."""

    columns: tuple[str, ...] = COLUMNS

    @property
    def names(self) -> tuple[str, ...]:
        """The named numbers."""
        return self.columns

    def extract(self, records: Sequence[Sequence[float]]) -> Matrix:
        """One row an executable; what is missing, infinite or no number counts as -1."""
        dense = np.full((len(records), len(self.columns)), -1.0, dtype=np.float64)
        for at, record in enumerate(records):
            row = np.asarray(record[: len(self.columns)], dtype=np.float64)
            dense[at, : len(row)] = row
        dense = np.where(np.isfinite(dense), np.clip(dense, -1e18, 1e18), -1.0)
        return Matrix(dense.astype(np.float32), None)

    def pieces(self, record: object) -> Mapping[int, tuple[str, ...]]:  # noqa: ARG002
        """There are no grams."""
        return {}

    def learned(self) -> Learned:
        """The schema; nothing is learned from data."""
        return Learned({"kind": "executable", "version": 1, "names": list(self.columns)}, {})

    @classmethod
    def load(cls, schema: Mapping[str, Any], arrays: Mapping[str, Array]) -> "ExecutableFeatures":  # noqa: ARG003
        """From an artifact's schema."""
        return cls(tuple(str(name) for name in schema["names"]))


def table_row(row: Mapping[str, str]) -> tuple[float, ...]:
    """A row of a table with these columns; what is no number is -1."""
    return tuple(_number(row.get(name, "")) for name in COLUMNS)


def executable_row(data: bytes) -> tuple[float, ...] | None:
    """The numbers of a Windows executable, or None where `pefile` reads none in it.

    Raises UsageError where `pefile` is not installed.
    """
    try:
        pefile = import_module("pefile")
    except ImportError as error:
        raise UsageError(
            "reading executables needs pefile, which is not installed",
            hint="Install it with `pip install 'hauberk[models]'`",
        ) from error
    try:
        image = pefile.PE(data=data[:MAX_FILE], fast_load=True)
        values = _header_values(image, data)
    except (pefile.PEFormatError, ValueError, AttributeError, IndexError, OverflowError):
        return None
    return tuple(float(values.get(name, -1.0)) for name in COLUMNS)


def ember_row(line: Mapping[str, Any], columns: Sequence[str]) -> tuple[float, ...]:
    """Chosen numbers of one line of an EMBER feature file; what is missing is -1.

    Addressed as `group.name` or `group.index`, for instance `general.size`, `histogram.0`.
    """
    return tuple(_at(line, column) for column in columns)


def _at(value: Any, path: str) -> float:
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return -1.0
    if isinstance(value, bool | int | float):
        return float(value)
    return float(len(value)) if isinstance(value, list | Mapping) else -1.0


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0


def _entropy(data: bytes) -> float:
    counts = np.bincount(np.frombuffer(data, dtype=np.uint8), minlength=256)
    shares = counts[counts > 0] / max(len(data), 1)
    return float(-(shares * np.log2(shares)).sum()) if len(data) else 0.0


def _header_values(image: Any, data: bytes) -> dict[str, float]:
    values: dict[str, float] = {}
    for header in (image.DOS_HEADER, image.FILE_HEADER, image.OPTIONAL_HEADER):
        for name in COLUMNS:
            found = getattr(header, name, None)
            if isinstance(found, int):
                values[name] = float(found)
    values["CreationYear"] = float(1970 + image.FILE_HEADER.TimeDateStamp // 31_556_952)
    for bit in range(15):
        values[f"FH_char{bit}"] = float(image.FILE_HEADER.Characteristics >> bit & 1)
    for bit in range(11):
        flags = getattr(image.OPTIONAL_HEADER, "DllCharacteristics", 0)
        values[f"OH_DLLchar{bit}"] = float(flags >> (bit + 5) & 1)
    names = []
    for section in image.sections[:MAX_SECTIONS]:
        name = section.Name.rstrip(b"\0").decode("latin-1").lower()
        names.append(name)
        if name in (".text", ".data"):
            values[f"E_{name[1:]}"] = _entropy(section.get_data()[:MAX_FILE])
    ordinary = sum(name in _ORDINARY_SECTIONS for name in names)
    values["non_sus_sections"] = float(ordinary)
    values["sus_sections"] = float(len(names) - ordinary)
    values["filesize"] = float(len(data))
    values["E_file"] = _entropy(data[:MAX_FILE])
    values["fileinfo"] = float(_VERSION_KEY in data[:MAX_FILE])
    return values
