"""Labels and their quality, for people and for training."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

import orjson
import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hauberk.pipeline import LabelQuality, Proposal
from hauberk.triage import Measured

from .words import count, moment, plain

PARQUET = ".parquet"


def write_labels(labels: pl.DataFrame, path: Path) -> None:
    """Labels as Parquet, where the name ends so, or as JSON lines. Raises OSError."""
    if path.suffix == PARQUET:
        labels.write_parquet(path, compression="zstd")
        return
    with path.open("w", encoding="utf-8") as stream:
        write_label_lines(labels, stream)


def write_label_lines(labels: pl.DataFrame, stream: TextIO) -> None:
    """One JSON object a label."""
    stream.writelines(orjson.dumps(row).decode() + "\n" for row in labels.iter_rows(named=True))


def interval(one: Measured) -> str:
    """`0.62 (0.40 to 0.81), n = 12`."""
    return f"{one.value:.2f} ({one.low:.2f} to {one.high:.2f}), n = {one.n:,}"


def print_quality(found: LabelQuality, console: Console) -> None:
    """Who agrees with whom, and who was right where the truth is known."""
    console.print(
        f"{count(found.verdicts, 'verdict')} of {count(len(found.analysts), 'analyst')}"
        f" on {count(found.incidents, 'incident')}"
    )
    if found.alpha is None:
        console.print("no two analysts judged the same incident: nothing is known of agreement")
    else:
        console.print(f"Krippendorff's alpha  {interval(found.alpha)} incidents judged by several")
    for (one, other), kappa in found.pairs.items():
        console.print(
            Text(f"Cohen's kappa  {plain(one, 40)} and {plain(other, 40)}  {interval(kappa)}")
        )
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for name in ("analyst", "judged", "reliability", "right on gold"):
        table.add_column(name)
    for who in found.analysts:
        gold = interval(who.gold) if who.gold.n else "not asked yet"
        table.add_row(plain(who.name, 40), f"{who.judged:,}", f"{who.reliability:.2f}", gold)
    if found.analysts:
        console.print(table)


def quality_json(found: LabelQuality) -> Mapping[str, object]:
    """The quality for machines."""
    return {
        "incidents": found.incidents,
        "verdicts": found.verdicts,
        "alpha": found.alpha,
        "pairs": [
            {"analysts": [one, other], "kappa": kappa}
            for (one, other), kappa in found.pairs.items()
        ],
        "analysts": found.analysts,
    }


def print_proposals(found: Sequence[Proposal], titles: Mapping[str, str], console: Console) -> None:
    """Each proposed suppression, with the command that would try it and ask."""
    for one in found:
        title = plain(titles.get(one.rule, "a rule that is gone"), 120)
        console.print(Text(f"{title}  {one.rule[:8]}", style="bold"))
        said = f"   {plain(one.by, 40)}, {moment(one.at)}, on {one.incident[:8]}"
        console.print(Text(f"{said}: {plain(one.reason)}", style="dim"))
        where = [f"--where {shlex.quote(f'{field}={value}')}" for field, value in one.where.items()]
        reason = shlex.quote(f"{one.reason} (proposed by {one.by})")
        command = f"hauberk rules suppress {one.rule} {' '.join(where)} --reason {reason}"
        console.print(Text(f"   {plain(command, 2000)}"), soft_wrap=True)
    console.print(
        Text(f"{count(len(found), 'proposal')}; none of them hides anything", style="dim")
    )
