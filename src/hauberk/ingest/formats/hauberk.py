"""Hauberk's own records of what happens to models and sources, one JSON object a line.

The events stand in the lake from the moment they happen; this reads them again for rules and
replays, and reads those of another home. Columns: `hauberk.events.own_columns`.
"""

from pathlib import PurePath

import numpy as np
import orjson

from hauberk.events import (
    OWN_CLASS,
    OWN_FORMAT,
    OWN_FORMAT_VERSION,
    OWN_PRODUCT,
    LogKey,
    own_columns,
    own_service,
)
from hauberk.ingest.interface import Framing, Parsed, ParsedGroup, RecordBatch

from .json_lines import parse_json_lines
from .timed import kept_rows, rejects_at, timed_group


class Hauberk:
    """One record a line."""

    name = OWN_FORMAT
    version = OWN_FORMAT_VERSION
    framing = Framing.LINES

    def sniff(self, head: bytes, path: PurePath | None) -> float:  # noqa: ARG002  # content decides
        """By class and product of the first object."""
        line = head.lstrip(b"\xef\xbb\xbf \t\r\n").split(b"\n", 1)[0]
        if not line.startswith(b"{") or b'"hauberk"' not in line:
            return 0.0
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            return 0.0
        return 0.98 if isinstance(row, dict) and _is_own(row) else 0.0

    def parse(self, records: RecordBatch) -> Parsed:
        """Events of one chunk."""
        found = parse_json_lines(records)
        places = (found.offsets, found.lengths)
        known = np.array([_is_own(row) for row in found.rows], bool)
        strange = rejects_at(
            np.flatnonzero(~known).tolist(),
            "no record of Hauberk's own; expected class_uid 6002 and product hauberk",
            found.numbers,
            places,
        )
        rejects = [*found.rejects, *strange]
        by_kind: dict[tuple[str, str], list[int]] = {}
        for at in np.flatnonzero(known).tolist():
            kind = (own_service(found.rows[at]), str(found.rows[at].get("operation", "")))
            by_kind.setdefault(kind, []).append(at)
        groups: list[ParsedGroup] = []
        for (service, operation), positions in by_kind.items():
            rows = [found.rows[at] for at in positions]
            made, untimed = timed_group(
                LogKey(OWN_PRODUCT, service, operation), OWN_CLASS, own_columns(rows),
                kept_rows(rows), found.numbers[positions], places,
            )  # fmt: skip
            groups += made
            rejects += untimed
        return Parsed(groups, *places, rejects=rejects, raw=found.raw)


def _is_own(row: dict[str, object]) -> bool:
    return row.get("class_uid") == int(OWN_CLASS) and row.get("product") == OWN_PRODUCT
