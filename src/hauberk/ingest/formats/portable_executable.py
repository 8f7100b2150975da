"""Windows executables (PE): one file is one event, told by its headers.

What is kept of a file is not the file but a record of it: digest, size, and the numbers of its
headers and sections, as JSON, which this format reads again.
"""

import hashlib
from datetime import UTC, datetime
from pathlib import PurePath

import numpy as np
import orjson
import polars as pl

from hauberk.events import EARLIEST, LATEST, TIME, EventClass, EventGroup, LogKey
from hauberk.ingest.interface import Framing, Parsed, ParsedGroup, RecordBatch, Reject

from .json_fields import JsonFields
from .pe_headers import Image, header_at, read_image

_KEY = LogKey("executable", "file")
_MIME = "application/vnd.microsoft.portable-executable"
_KIND = "portable-executable"
_MARK = b'{"kind":"portable-executable"'
_READ = 2
_UNDATED = datetime(2000, 1, 1, tzinfo=UTC)

Facts = dict[str, object]


class PortableExecutable:
    """Executables by content, whatever they are called."""

    name = _KIND
    version = "1"
    framing = Framing.WHOLE

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By the DOS header and the PE header that it leads to."""
        if not head.startswith(b"MZ"):
            return 0.0
        if header_at(head) is not None:
            return 0.97
        beyond = len(head) >= 64 and int.from_bytes(head[60:64], "little") >= len(head) - 4
        return 0.3 if beyond and len(head) >= 64 << 10 else 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        """One event a file, or its record read again."""
        data = records.data
        places = (np.array([records.offset], np.int64), np.array([len(data)], np.int64))
        if not data:
            return Parsed([], places[0][:0], places[1][:0])
        facts = _again(data) if data.startswith(_MARK) else _facts(records)
        if facts is None:
            reason = "no PE header where the DOS header points; expected a Windows executable"
            return Parsed([], *places, rejects=[Reject(records.offset, len(data), reason)])
        numbers = facts["numbers"]
        fields = {name: value for name, value in facts.items() if name != "numbers"}
        fields |= numbers if isinstance(numbers, dict) else {}
        group = EventGroup(_KEY, EventClass.FILE_ACTIVITY, _event(facts), JsonFields([fields]))
        parsed = ParsedGroup(group, np.zeros(1, dtype=np.int64))
        return Parsed([parsed], *places, raw=[orjson.dumps(facts)])


def _facts(records: RecordBatch) -> Facts | None:
    """What is kept of a file; None where it has no headers."""
    image = read_image(records.data)
    if image is None:
        return None
    modified = records.modified
    stamp = datetime.fromtimestamp(image.numbers.get("TimeDateStamp", 0.0), UTC)
    times = [one for one in (modified, stamp) if one is not None and EARLIEST <= one <= LATEST]
    return {
        "kind": _KIND,
        "sha256": hashlib.sha256(records.data).hexdigest(),
        "size": len(records.data),
        "path": records.source,
        "time": (times[0] if times else _UNDATED).isoformat(),
        "signer": signer(image.certificate),
        "section": [one.name for one in image.sections],
        "section_entropy": [round(one.entropy, 4) for one in image.sections],
        "library": image.libraries,
        "numbers": _json_numbers(image),
    }


def _json_numbers(image: Image) -> dict[str, float]:
    return {name: image.numbers[name] for name in sorted(image.numbers)}


def _again(data: bytes) -> Facts | None:
    """A record that was kept, None where it is none."""
    try:
        facts = orjson.loads(data)
        found = isinstance(facts["numbers"], dict) and isinstance(facts["path"], str)
        datetime.fromisoformat(facts["time"])
        int(facts["size"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, OverflowError):
        return None
    return facts if found else None


def _event(facts: Facts) -> pl.DataFrame:
    path, known = str(facts["path"]), facts.get("signer")
    time = datetime.fromisoformat(str(facts["time"]))
    plausible = time.tzinfo is not None and EARLIEST <= time <= LATEST
    name = path.replace("\\", "/").rsplit("/", 1)[-1]
    return pl.DataFrame(
        {
            "time": pl.Series([time if plausible else _UNDATED], dtype=TIME),
            "activity_id": pl.Series([_READ], dtype=pl.Int32),
            "metadata.product.name": ["executable"],
            "metadata.log_name": ["file"],
            "file.path": [path],
            "file.name": [name],
            "file.hashes": [f"SHA256={str(facts.get('sha256'))[:64]}"],
            "file.size": pl.Series([_whole(facts.get("size"))], dtype=pl.Int64),
            "file.mime_type": [_MIME],
            "file.signature.certificate.subject": pl.Series(
                [known if isinstance(known, str) else None], dtype=pl.String
            ),
        }
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and 0 <= value < 1 << 62 else None


def signer(pkcs7: bytes) -> str | None:
    """Whom the certificate of an attached signature names; the signature itself is not verified."""
    if not pkcs7.startswith(b"\x30"):
        return None
    # Needed for signed files alone, and slow to load.
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization.pkcs7 import (  # noqa: PLC0415
        load_der_pkcs7_certificates,
    )

    try:
        certificates = load_der_pkcs7_certificates(_whole_der(pkcs7))
        issuers = {one.issuer.public_bytes() for one in certificates if one.issuer != one.subject}
        leaves = [one for one in certificates if one.subject.public_bytes() not in issuers]
        return leaves[0].subject.rfc4514_string()[:500] if leaves else None
    except (ValueError, UnsupportedAlgorithm, TypeError):
        return None


def _whole_der(data: bytes) -> bytes:
    """One DER value without what pads it."""
    if len(data) < 2 or data[1] < 0x80:
        return data[: 2 + data[1]] if len(data) > 1 else data
    count = data[1] & 0x7F
    return data[: 2 + count + int.from_bytes(data[2 : 2 + count], "big")]
