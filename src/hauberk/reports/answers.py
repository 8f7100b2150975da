"""Answers of hunts as people and machines read them."""

import csv
import json
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.table import Table

from .hunting import Answer, Described, Value
from .words import count, plain

SHOWN = 200
"""Characters of one value on a terminal."""


def cell(value: Value) -> str:
    """A value as a text on one line."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def print_answer(answer: Answer, console: Console) -> None:
    """A table, and how many rows there are."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for column in answer.columns:
        table.add_column(plain(column.name, 60), justify="right" if column.is_number else "left")
    for row in answer.rows:
        table.add_row(*(plain(cell(value), SHOWN) for value in row))
    console.print(table, markup=False)
    more = ", and there is more" if answer.cut else ""
    console.print(f"{count(len(answer.rows), 'row')}{more}", style="dim")


def print_tables(tables: Sequence[Described], console: Console) -> None:
    """One line a table; of a single one its columns."""
    if len(tables) > 1:
        for one in tables:
            console.print(f"{one.name}  [dim]{count(len(one.columns), 'column')}[/dim]")
        return
    for name, kind in tables[0].columns.items():
        console.print(f"{name}  [dim]{kind.lower()}[/dim]".replace("[]", "\\[]"))


def write_csv(answer: Answer, stream: TextIO) -> None:
    """Comma-separated, with a header; a text that a spreadsheet would run is quoted by a `'`."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([one.name for one in answer.columns])
    writer.writerows([_harmless(value) for value in row] for row in answer.rows)


def _harmless(value: Value) -> str:
    text = cell(value)
    return f"'{text}" if isinstance(value, str) and text[:1] in "=+-@\t\r" and text else text


def write_rows(answer: Answer, stream: TextIO) -> None:
    """A JSON object a row."""
    names = [one.name for one in answer.columns]
    for row in answer.rows:
        named = dict(zip(names, row, strict=True))
        print(json.dumps(named, ensure_ascii=False), file=stream)
