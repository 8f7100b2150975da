"""Readers of URL lists and of executables' header tables."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from hauberk.models.features.domain import registered
from hauberk.models.features.executable import COLUMNS, ember_row, table_row
from hauberk.models.features.url import host_of, without_scheme

from .reading import Read, Reader, lines, table


def url_list(blobs: Sequence[bytes], options: Mapping[str, Any]) -> Iterator[Read]:  # noqa: ARG001
    """One URL a line; its group is the registered name of its host."""
    yield from _urls([(text, float("nan")) for text in lines(blobs)])


def host_list(blobs: Sequence[bytes], options: Mapping[str, Any]) -> Iterator[Read]:
    """One host a line, as the URL of its front page; `column` chooses a comma-separated field."""
    column = int(options.get("column", 0))
    names = [text.split(",")[column] for text in lines(blobs) if text.count(",") >= column]
    yield from _urls([(f"http://{name}/", float("nan")) for name in names])


def url_table(blobs: Sequence[bytes], options: Mapping[str, Any]) -> Iterator[Read]:
    """CSV with `url` and a time; `target` and `without_target` choose by attacked brand."""
    only, without = options.get("target"), options.get("without_target")
    found = [
        (row.get("url", ""), _time(row.get("submission_time", "")))
        for row in table(blobs)
        if (only is None or row.get("target") == only)
        and (without is None or row.get("target") != without)
    ]
    yield from _urls(found)


def _urls(found: list[tuple[str, float]]) -> Iterator[Read]:
    hosts = [host_of(url) for url, _ in found]
    names = registered(hosts)
    for (url, time), label, suffix in zip(found, names["label"], names["suffix"], strict=True):
        text = without_scheme(url)
        if label and text:
            yield Read(url[:2000], f"host:{label}.{suffix}", f"url:{text.rstrip('/')}", time)


def executable_table(blobs: Sequence[bytes], options: Mapping[str, Any]) -> Iterator[Read]:
    """CSV of header values with a `class` column; its group is the linker that built it.

    `linkers` chooses rows by the linker's major version (`other`: all that are not in the list).
    """
    wanted = [float(one) for one in options.get("linkers", ())]
    other = bool(options.get("other", False))
    at = COLUMNS.index("MajorLinkerVersion")
    for row in table(blobs):
        values = table_row(row)
        if wanted and (values[at] in wanted) == other:
            continue
        label = {"1": 1, "0": 0}.get(row.get("class", "").strip(), -1)
        if label < 0:
            continue
        key = "pe:" + ",".join(f"{value:g}" for value in values)
        stamp = values[COLUMNS.index("CreationYear")]
        yield Read(values, f"linker:{values[at]:g}.{values[at + 1]:g}.{stamp:g}", key, label=label)


def ember_lines(blobs: Sequence[bytes], options: Mapping[str, Any]) -> Iterator[Read]:
    """EMBER feature files, which users fetch themselves: JSON lines with `sha256` and `label`.

    `columns` name the numbers (see `ember_row`); rows without a label are left out. The group is
    the family (`avclass` or `family`) where given, else the file.
    """
    columns = [str(one) for one in options.get("columns", ())]
    for text in lines(blobs):
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if not isinstance(line, dict) or line.get("label") not in (0, 1):
            continue
        key = f"pe:{line.get('sha256', '')}"
        family = str(line.get("avclass") or line.get("family") or "")
        group = f"family:{family}" if family else key
        time = _time(f"{line.get('appeared', '')}-01")
        yield Read(ember_row(line, columns), group, key, time, int(line["label"]))


def _time(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return float(np.nan)


URL_READERS: dict[str, Reader] = {
    "url-list": url_list,
    "url-table": url_table,
    "host-list": host_list,
}
EXECUTABLE_READERS: dict[str, Reader] = {
    "executable-table": executable_table,
    "ember-lines": ember_lines,
}
