"""Windows events as JSON: an object a line, or one document."""

from collections.abc import Iterator, Sequence
from pathlib import PurePath

import numpy as np
import orjson

from hauberk.ingest.formats.json_lines import JsonRecords, parse_json_document, parse_json_lines
from hauberk.ingest.formats.json_spans import document_spans
from hauberk.ingest.formats.lines import as_utf8, split_lines, utf16_of
from hauberk.ingest.interface import Framing, Parsed, RecordBatch, Reject

from .groups import group_rows
from .shapes import flat_row, looks_like_windows

WRAPPERS = ("Records", "records", "Events", "events", "value", "hits")
"""Keys under which a document may keep its events as an array."""

_SAMPLE = 10
_CUT = 0.5


def parsed_records(records: JsonRecords) -> Parsed:
    """Windows events of JSON records, whatever their shape."""
    rows = [row if "EventID" in row and "Channel" in row else flat_row(row) for row in records.rows]
    grouped = group_rows(rows, np.asarray(records.numbers))
    rejects = [*records.rejects]
    for position, reason in grouped.bad:
        number = records.numbers[position]
        rejects.append(Reject(int(records.offsets[number]), int(records.lengths[number]), reason))
    return Parsed(
        grouped.groups, records.offsets, records.lengths, rejects=rejects, raw=records.raw
    )


class WindowsJson:
    """One event a line: Winlogbeat, NXLog, Windows' XML as JSON, and their flat kin."""

    name = "windows-json"
    version = "1"
    framing = Framing.LINES

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002
        """How surely the first lines are Windows events."""
        texts = split_lines(RecordBatch(head, "")).texts[:_SAMPLE]
        if not texts or not texts[0].lstrip().startswith(b"{"):
            return 0.0
        sure = max((looks_like_windows(row) for row in _objects(texts)), default=0.0)
        if not sure and len(texts) == 1 and len(head) >= 1 << 16 and _names_windows(head):
            return _CUT
        return sure

    def parse(self, records: RecordBatch) -> Parsed:
        """Events and rejects of one chunk of lines."""
        return parsed_records(parse_json_lines(records))


class WindowsJsonDocument:
    """Events in one document: an array, an array under a key, or pretty-printed objects."""

    name = "windows-json-document"
    version = "1"
    framing = Framing.DOCUMENT

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002
        """How surely the first members are Windows events, if they do not stand in lines."""
        codec = utf16_of(head)
        data = as_utf8(head[2:], codec) if codec else head
        if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in {b"{", b"["}:
            return 0.0
        starts, ends = document_spans(data, WRAPPERS)
        texts = [data[a:b] for a, b in zip(starts[:_SAMPLE], ends[:_SAMPLE], strict=True)]
        sure = max((looks_like_windows(row) for row in _objects(texts)), default=0.0)
        if not sure and texts and len(head) >= 1 << 16 and _names_windows(head):
            sure = _CUT
        # Lines are the better reading wherever both can be.
        return sure * 0.9

    def parse(self, records: RecordBatch) -> Parsed:
        """Events and rejects of one document."""
        return parsed_records(parse_json_document(records, WRAPPERS))


def _objects(texts: Sequence[bytes]) -> Iterator[dict[str, object]]:
    for text in texts:
        try:
            row = orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
        if type(row) is dict:
            yield row


def _names_windows(head: bytes) -> bool:
    return b'"EventID"' in head and (b'"Channel"' in head or b'"ProviderGuid"' in head)
