"""`hauberk labels`: verdicts as labels, how good they are, and questions of known truth."""

import getpass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import orjson
import typer

from hauberk.errors import DiskFullError, ExitCode, UsageError
from hauberk.pipeline import known_rules, label_quality, labels_of, mark_gold, proposals_of
from hauberk.reports import (
    print_proposals,
    print_quality,
    quality_json,
    write_label_lines,
    write_labels,
)
from hauberk.store import is_disk_full

from . import output
from .home import Home, home_or_default

app = typer.Typer(
    help="""Verdicts as labels: export them, see how good they are, ask what is known.

    Examples:

      hauberk labels export --out labels.parquet

      hauberk labels quality

      hauberk labels gold 4e45ba7d --truth false --reason "our own exercise, CHG-7"
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]


class Truth(StrEnum):
    """What is known of an incident."""

    TRUE = "true"
    FALSE = "false"


@app.command(
    help="""Write labels for training: a finding of a judged incident each, with weight and origin.

    The weight is how sure all answers together are of the label (Dawid and Skene, with gold
    questions); `share` is the finding's part in the incident. Analysts are named by pseudonyms.
    docs/verdicts.md lists the fields.

    Examples:

      hauberk labels export --out labels.jsonl

      hauberk labels export --out - | jq -r .label | sort | uniq -c
    """
)
def export(
    out: Annotated[
        str, typer.Option("--out", metavar="FILE", help="A .parquet or JSON lines; - for stdout.")
    ],
    names: Annotated[bool, typer.Option("--names", help="Names instead of pseudonyms.")] = False,
    home: Home = None,
) -> ExitCode:
    """Write."""
    labels = labels_of(home_or_default(home), names=names)
    if out == output.STDOUT:
        with output.stdout() as stream:
            write_label_lines(labels, stream)
        return ExitCode.OK
    try:
        write_labels(labels, Path(out))
    except OSError as error:
        if is_disk_full(error):
            raise DiskFullError("no room for the labels", where=out) from error
        raise UsageError(f"cannot be written: {error.strerror or error}", where=out) from error
    output.screen(stderr=True).print(f"{labels.height:,} labels in {out}", style="dim")
    return ExitCode.OK


@app.command(
    help="""Show how far analysts agree, and how often they are right where the truth is known.

    Krippendorff's alpha and Cohen's kappa with intervals: 1 is agreement, 0 what chance gives.

    Example:

      hauberk labels quality
    """
)
def quality(home: Home = None, json: Json = False) -> ExitCode:
    """Print."""
    found = label_quality(home_or_default(home))
    if json:
        with output.stdout() as stream:
            stream.write(orjson.dumps(quality_json(found)).decode() + "\n")
    else:
        print_quality(found, output.screen())
    return ExitCode.OK


@app.command(
    help="""Mark an incident whose truth is known: analysts are asked about it now and then.

    Their answers say how reliable they are, and hold the weights of all labels to the ground.

    Example:

      hauberk labels gold 4e45ba7d --truth true --reason "red team, 2 March"
    """
)
def gold(
    incident: Annotated[str, typer.Argument(metavar="INCIDENT", help="Start of its uid.")],
    truth: Annotated[Truth, typer.Option("--truth", help="Whether it was a threat.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="How it is known.")] = "",
    owner: Annotated[
        str, typer.Option("--owner", metavar="NAME", help="Who says so.", show_default="you")
    ] = "",
    home: Home = None,
) -> ExitCode:
    """Mark."""
    by = owner or getpass.getuser()
    place = home_or_default(home)
    uid = mark_gold(place, incident, threat=truth is Truth.TRUE, by=by, reason=reason)
    output.screen().print(f"{uid} is known to be {truth.value}", soft_wrap=True)
    return ExitCode.OK


@app.command(
    help="""List suppressions that verdicts propose; each hides nothing until somebody makes it.

    Example:

      hauberk labels proposals
    """
)
def proposals(home: Home = None, json: Json = False) -> ExitCode:
    """List."""
    place = home_or_default(home)
    found = proposals_of(place, datetime.now(UTC))
    if json:
        with output.stdout() as stream:
            for one in found:
                stream.write(orjson.dumps(one).decode() + "\n")
        return ExitCode.OK
    titles = {one.uid: one.title for one in known_rules(place).rules} if found else {}
    print_proposals(found, titles, output.screen())
    return ExitCode.OK
