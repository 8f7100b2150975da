"""Windows executables by their headers."""

import hashlib
import struct
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import serialize_certificates
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import EventClass
from hauberk.ingest.formats.pe_headers import read_image
from hauberk.ingest.formats.portable_executable import PortableExecutable
from hauberk.ingest.interface import RecordBatch
from hauberk.ingest.known_formats import recognise
from hauberk.ingest.stamp import parse_again

from .accounting import mangled, parsed_whole

BUILT = datetime(2020, 5, 1, tzinfo=UTC)


def executable(*, wide: bool = False, names: tuple[bytes, ...] = (b".text", b"weird")) -> bytes:
    """A small PE file with two sections and one imported library."""
    dos = bytearray(128)
    dos[:2] = b"MZ"
    struct.pack_into("<H", dos, 2, 0x90)
    struct.pack_into("<I", dos, 60, 128)
    size = 240 if wide else 224
    head = struct.pack(
        "<HHIIIHH", 0x8664 if wide else 0x14C, len(names), int(BUILT.timestamp()), 0, 0, size, 0x102
    )
    optional = bytearray(size)
    struct.pack_into("<HBBI", optional, 0, 0x20B if wide else 0x10B, 14, 2, 4096)
    struct.pack_into("<H", optional, 68, 3)
    struct.pack_into("<I", optional, 108 if wide else 92, 16)
    struct.pack_into("<II", optional, (112 if wide else 96) + 8, 0x1000, 40)
    sections = b"".join(
        struct.pack("<8sIIIIIIHHI", name, 512, 0x1000 * (at + 1), 512, 1024 + 512 * at, 0, 0, 0, 0,
                    0x60000020)
        for at, name in enumerate(names)
    )  # fmt: skip
    data = bytearray(1024 + 512 * len(names))
    whole = bytes(dos) + b"PE\0\0" + head + bytes(optional) + sections
    data[: len(whole)] = whole
    struct.pack_into("<IIIII", data, 1024, 0, 0, 0, 0x1000 + 100, 0)
    data[1124:1137] = b"KERNEL32.dll\0"
    return bytes(data)


@pytest.mark.parametrize("wide", [False, True])
def test_an_executable_is_one_event_with_digest_size_and_headers(wide: bool) -> None:
    data = executable(wide=wide)
    assert recognise(data, None).name == "portable-executable"  # type: ignore[union-attr]
    parsed = parsed_whole(PortableExecutable(), data)
    group = parsed.groups[0].group
    assert group.event_class is EventClass.FILE_ACTIVITY
    event = group.events.row(0, named=True)
    assert event["file.hashes"] == f"SHA256={hashlib.sha256(data).hexdigest()}"
    assert event["file.size"] == len(data)
    assert event["time"] == BUILT
    fields = group.fields.row(0)
    assert fields["library"] == ["kernel32.dll"]
    assert fields["section"] == [".text", "weird"]
    assert (fields["sus_sections"], fields["non_sus_sections"]) == (1, 1)
    assert fields["SizeOfCode"] == 4096


def test_the_file_itself_is_not_kept_and_its_record_is_the_same_event_again() -> None:
    data = executable() + b"\xcc" * 1_000_000
    parsed = parsed_whole(PortableExecutable(), data)
    assert parsed.raw is not None
    assert len(parsed.raw[0]) < 20_000
    again = parse_again(list(parsed.raw), "portable-executable")
    assert again.groups[0].group.events.equals(parsed.groups[0].group.events)
    assert again.groups[0].group.fields.row(0) == parsed.groups[0].group.fields.row(0)


def test_other_files_are_no_executables() -> None:
    form = PortableExecutable()
    assert form.sniff(b"MZ is how this text begins, and nothing more of it", None) == 0
    assert form.sniff(b"", None) == 0
    assert form.sniff(b"MZ" + b"\0" * 200, None) == 0
    parsed = parsed_whole(form, b"MZ" + b"\0" * 200)
    assert (parsed.events, len(parsed.rejects)) == (0, 1)


@pytest.mark.parametrize("wide", [False, True])
def test_numbers_are_those_that_training_reads(wide: bool) -> None:
    pytest.importorskip("pefile")
    features = pytest.importorskip("hauberk.models.features.executable")
    data = executable(wide=wide) + bytes(range(256)) * 7
    row = features.executable_row(data)
    image = read_image(data)
    assert image is not None
    mine = [image.numbers.get(name, -1.0) for name in features.COLUMNS]
    different = [
        name
        for name, one, other in zip(features.COLUMNS, mine, row, strict=True)
        if abs(one - other) > 1e-9
    ]
    assert not different


def test_a_signer_is_named_as_the_certificate_names_it() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Some Company")])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(7).not_valid_before(BUILT).not_valid_after(datetime(2040, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    blob = serialize_certificates([certificate], Encoding.DER)
    data = bytearray(executable())
    struct.pack_into("<II", data, 128 + 24 + 96 + 8 * 4, len(data), len(blob) + 8)
    data += struct.pack("<IHH", len(blob) + 8, 0x200, 2) + blob
    event = (
        parsed_whole(PortableExecutable(), bytes(data)).groups[0].group.events.row(0, named=True)
    )
    assert event["file.signature.certificate.subject"] == "CN=Some Company"


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**9), st.booleans())
def test_mangled_files_never_raise_and_every_record_is_accounted_for(seed: int, wide: bool) -> None:
    parsed_whole(PortableExecutable(), mangled(executable(wide=wide), seed))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 700), st.binary(min_size=1, max_size=8)), max_size=12))
def test_headers_that_lie_about_places_and_sizes_are_read_without_an_error(
    changes: list[tuple[int, bytes]],
) -> None:
    data = bytearray(executable())
    for at, blob in changes:
        data[at : at + len(blob)] = blob
    parsed_whole(PortableExecutable(), bytes(data))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_a_stored_record_that_was_altered_is_rejected_and_not_raised(blob: bytes) -> None:
    raw = parsed_whole(PortableExecutable(), executable()).raw
    assert raw is not None
    PortableExecutable().parse(RecordBatch(raw[0][:40] + blob + raw[0][60:], "test"))
