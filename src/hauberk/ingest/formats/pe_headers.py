"""The headers of a Windows executable as plain numbers: read by place, never run, never followed.

Every place is checked against the file's end; what does not fit is left out. Names are those of
winnt.h. Source: Microsoft, PE Format (https://learn.microsoft.com/windows/win32/debug/pe-format).
"""

import struct
from dataclasses import dataclass, field

import numpy as np

MAX_SECTIONS, MAX_IMPORTS, MAX_NAME = 96, 512, 256
MAX_ENTROPY = 64 << 20
"""Bytes of a file or section whose entropy is taken."""

MAX_CERTIFICATE = 1 << 20

_DOS = {
    "e_cblp": (2, "H"), "e_cp": (4, "H"), "e_crlc": (6, "H"), "e_cparhdr": (8, "H"),
    "e_minalloc": (10, "H"), "e_maxalloc": (12, "H"), "e_ss": (14, "H"), "e_sp": (16, "H"),
    "e_csum": (18, "H"), "e_ip": (20, "H"), "e_cs": (22, "H"), "e_lfarlc": (24, "H"),
    "e_ovno": (26, "H"), "e_oemid": (36, "H"), "e_oeminfo": (38, "H"), "e_lfanew": (60, "I"),
}  # fmt: skip
_FILE = {
    "Machine": (0, "H"), "NumberOfSections": (2, "H"), "TimeDateStamp": (4, "I"),
    "PointerToSymbolTable": (8, "I"), "NumberOfSymbols": (12, "I"),
    "SizeOfOptionalHeader": (16, "H"), "Characteristics": (18, "H"),
}  # fmt: skip
_BOTH = {
    "Magic": (0, "H"), "MajorLinkerVersion": (2, "B"), "MinorLinkerVersion": (3, "B"),
    "SizeOfCode": (4, "I"), "SizeOfInitializedData": (8, "I"),
    "SizeOfUninitializedData": (12, "I"), "AddressOfEntryPoint": (16, "I"),
    "BaseOfCode": (20, "I"), "SectionAlignment": (32, "I"), "FileAlignment": (36, "I"),
    "MajorOperatingSystemVersion": (40, "H"), "MinorOperatingSystemVersion": (42, "H"),
    "MajorImageVersion": (44, "H"), "MinorImageVersion": (46, "H"),
    "MajorSubsystemVersion": (48, "H"), "MinorSubsystemVersion": (50, "H"),
    "SizeOfImage": (56, "I"), "SizeOfHeaders": (60, "I"), "CheckSum": (64, "I"),
    "Subsystem": (68, "H"), "DllCharacteristics": (70, "H"),
}  # fmt: skip
_SHORT = {
    "BaseOfData": (24, "I"), "ImageBase": (28, "I"), "SizeOfStackReserve": (72, "I"),
    "SizeOfStackCommit": (76, "I"), "SizeOfHeapReserve": (80, "I"), "SizeOfHeapCommit": (84, "I"),
    "LoaderFlags": (88, "I"), "NumberOfRvaAndSizes": (92, "I"),
}  # fmt: skip
_LONG = {
    "ImageBase": (24, "Q"), "SizeOfStackReserve": (72, "Q"), "SizeOfStackCommit": (80, "Q"),
    "SizeOfHeapReserve": (88, "Q"), "SizeOfHeapCommit": (96, "Q"), "LoaderFlags": (104, "I"),
    "NumberOfRvaAndSizes": (108, "I"),
}  # fmt: skip
_PE32_PLUS = 0x20B
_IMPORTS, _CERTIFICATES = 1, 4
_SECONDS_A_YEAR = 31_556_952
_ORDINARY = frozenset(
    (".text", ".data", ".rdata", ".idata", ".edata", ".rsrc", ".bss", ".crt", ".tls", ".reloc",
     ".pdata", ".debug", "code", "data")
)  # fmt: skip
_VERSION_KEY = "VS_VERSION_INFO".encode("utf-16-le")


@dataclass(frozen=True, slots=True)
class Section:
    """One section: sizes and place in bytes, entropy in bits a byte."""

    name: str
    size: int
    offset: int
    virtual_size: int
    virtual_address: int
    flags: int
    entropy: float


@dataclass(slots=True)
class Image:
    """What the headers say. `numbers` by name; `certificate` is the signature's PKCS #7, or empty.

    Besides winnt.h's names: each bit of the flags (`FH_char0`, `OH_DLLchar0` from bit 5),
    `CreationYear`, `sus_sections` (unusual names), `non_sus_sections`, `E_text`, `E_data`,
    `E_file` (entropy), `filesize`, `fileinfo` (there is version information), `imports`.
    """

    numbers: dict[str, float]
    sections: list[Section] = field(default_factory=list)
    libraries: list[str] = field(default_factory=list)
    certificate: bytes = b""


def header_at(data: bytes) -> int | None:
    """Where the PE header begins, None where the file has none."""
    if not data.startswith(b"MZ") or len(data) < 64:
        return None
    (at,) = struct.unpack_from("<I", data, 60)
    return at if data[at : at + 4] == b"PE\0\0" else None


def read_image(data: bytes) -> Image | None:
    """The headers of an executable, None where there are none."""
    at = header_at(data)
    if at is None or at + 24 > len(data):
        return None
    numbers = _read(data, 0, _DOS) | _read(data, at + 4, _FILE)
    optional = at + 24
    size = int(numbers.get("SizeOfOptionalHeader", 0))
    numbers |= _read(data[: optional + size], optional, _BOTH)
    wide = numbers.get("Magic") == _PE32_PLUS
    numbers |= _read(data[: optional + size], optional, _LONG if wide else _SHORT)
    image = Image(numbers)
    _flags(numbers)
    image.sections = _sections(data, optional + size, int(numbers.get("NumberOfSections", 0)))
    directories = optional + (112 if wide else 96)
    known = min(int(numbers.get("NumberOfRvaAndSizes", 0)), 16)
    image.libraries = _libraries(
        data, image.sections, _directory(data, directories, _IMPORTS, known)
    )
    image.certificate = _certificate(data, _directory(data, directories, _CERTIFICATES, known))
    _derived(image, data)
    return image


def entropy(data: bytes | memoryview) -> float:
    """Bits a byte."""
    if not len(data):
        return 0.0
    counts = np.bincount(np.frombuffer(data, dtype=np.uint8), minlength=256)
    shares = counts[counts > 0] / len(data)
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def _read(data: bytes, at: int, places: dict[str, tuple[int, str]]) -> dict[str, float]:
    found = {}
    for name, (offset, kind) in places.items():
        if at + offset + struct.calcsize(kind) <= len(data):
            found[name] = float(struct.unpack_from(f"<{kind}", data, at + offset)[0])
    return found


def _flags(numbers: dict[str, float]) -> None:
    for bit in range(15):
        numbers[f"FH_char{bit}"] = float(int(numbers.get("Characteristics", 0)) >> bit & 1)
    for bit in range(11):
        numbers[f"OH_DLLchar{bit}"] = float(
            int(numbers.get("DllCharacteristics", 0)) >> (bit + 5) & 1
        )
    numbers["CreationYear"] = float(1970 + int(numbers.get("TimeDateStamp", 0)) // _SECONDS_A_YEAR)


def _sections(data: bytes, at: int, count: int) -> list[Section]:
    view = memoryview(data)
    found = []
    room = MAX_ENTROPY
    for number in range(min(count, MAX_SECTIONS)):
        start = at + 40 * number
        if start + 40 > len(data):
            break
        virtual_size, address, size, offset = struct.unpack_from("<4I", data, start + 8)
        (flags,) = struct.unpack_from("<I", data, start + 36)
        name = data[start : start + 8].rstrip(b"\0").decode("latin-1")
        # The loader rounds a section's place down to whole sectors.
        begin = offset // 512 * 512
        body = view[begin : begin + min(size, room)]
        room -= len(body)
        found.append(Section(name, size, offset, virtual_size, address, flags, entropy(body)))
    return found


def _directory(data: bytes, at: int, number: int, known: int) -> tuple[int, int]:
    """Address and size of a data directory, zeros where there is none."""
    place = at + 8 * number
    if number >= known or place + 8 > len(data):
        return 0, 0
    address, size = struct.unpack_from("<2I", data, place)
    return int(address), int(size)


def _offset(sections: list[Section], address: int) -> int | None:
    for one in sections:
        if one.virtual_address <= address < one.virtual_address + max(one.size, one.virtual_size):
            return address - one.virtual_address + one.offset // 512 * 512
    return None


def _libraries(data: bytes, sections: list[Section], directory: tuple[int, int]) -> list[str]:
    """Names of imported libraries, lower case, in order."""
    at = _offset(sections, directory[0]) if directory[0] else None
    found: list[str] = []
    while at is not None and at + 20 <= len(data) and len(found) < MAX_IMPORTS:
        name_at = struct.unpack_from("<I", data, at + 12)[0]
        if not name_at:
            break
        place = _offset(sections, name_at)
        text = data[place : place + MAX_NAME].partition(b"\0")[0] if place is not None else b""
        found.append(text.decode("ascii", "replace").lower())
        at += 20
    return found


def _certificate(data: bytes, directory: tuple[int, int]) -> bytes:
    """The first attached certificate table's PKCS #7; this directory gives a place in the file."""
    at, size = directory
    if not at or size < 8 or at + 8 > len(data):
        return b""
    length, _, kind = struct.unpack_from("<IHH", data, at)
    pkcs7 = 2
    if kind != pkcs7 or not 8 < length <= MAX_CERTIFICATE:
        return b""
    return data[at + 8 : at + length]


def _derived(image: Image, data: bytes) -> None:
    numbers = image.numbers
    for one in image.sections:
        if one.name.lower() in (".text", ".data"):
            numbers[f"E_{one.name.lower()[1:]}"] = one.entropy
    ordinary = sum(one.name.lower() in _ORDINARY for one in image.sections)
    numbers["non_sus_sections"] = float(ordinary)
    numbers["sus_sections"] = float(len(image.sections) - ordinary)
    numbers["imports"] = float(len(image.libraries))
    numbers["filesize"] = float(len(data))
    numbers["E_file"] = entropy(memoryview(data)[:MAX_ENTROPY])
    numbers["fileinfo"] = float(_VERSION_KEY in data)
