"""Where a command works when nobody says where."""

import os
from pathlib import Path
from typing import Annotated

import platformdirs
import typer

Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        envvar="HAUBERK_HOME",
        help="Where lake, records and ledger live.",
        show_default="a folder of the platform's for application data",
        file_okay=False,
    ),
]


def home_or_default(home: Path | None) -> Path:
    """The home that was asked for, or the platform's folder for a user's application data."""
    if home is not None:
        return home.expanduser()
    return Path(os.environ.get("HAUBERK_HOME") or platformdirs.user_data_path("hauberk"))
