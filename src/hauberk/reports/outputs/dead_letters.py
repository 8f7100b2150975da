"""What a receiver refused for good: kept whole with the reason, bounded, one JSON object a line."""

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import orjson

from .cursor import FOLDER, make_private_folder
from .interface import Refused

MAX_BYTES = 32 << 20
"""Bytes of one file; as many again are kept in the one before it."""

REASON = 500


def letters_path(home: Path, name: str) -> Path:
    """Where an output's dead letters are."""
    return home / FOLDER / f"{name}.refused.jsonl"


def bury(home: Path, name: str, refused: Sequence[Refused], now: datetime) -> None:
    """Keep what was refused; it is on the device then. Raises OSError."""
    path = letters_path(home, name)
    make_private_folder(path.parent)
    lines = [
        orjson.dumps(
            {"time": now, "id": one.message.id, "reason": one.reason[:REASON],
             "message": orjson.Fragment(one.message.data)},
        )
        for one in refused
    ]  # fmt: skip
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "ab") as out:
        out.write(b"\n".join(lines) + b"\n")
        out.flush()
        os.fsync(out.fileno())
        size = out.tell()
    if size > MAX_BYTES:
        path.replace(path.with_suffix(".jsonl.1"))
