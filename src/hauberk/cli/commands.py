"""The commands by name, each loaded when it is asked for.

What a command needs of the rooms below takes longer to load than most commands take to run, and
no command needs all of it.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True)
class Listed:
    """A command of this room: its module, what of it is the command, and its help's first line.

    `part` is the function of a command, whose help is the module's HELP, or a group of commands.
    """

    module: str
    summary: str
    part: str = "command"

    def load(self, name: str) -> Any:  # of Typer's classes, whose common parent it keeps private
        """The command itself."""
        module = import_module(f"{__package__}.{self.module}")
        found = getattr(module, self.part)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(
                add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
            )
            alone.command(name, help=module.HELP)(found)
            found = alone
        loaded = typer.main.get_command(found)
        loaded.name = name
        loaded.params = [one for one in loaded.params if one.name not in _COMPLETION]
        for one in getattr(loaded, "commands", {}).values():
            one.short_help = " ".join((one.help or "").split("\n\n")[0].split())
        return loaded


# Typer gives them to every group; the command line is completed as a whole.
_COMPLETION = ("install_completion", "show_completion")

COMMANDS = {
    "scan": Listed("scan", "Scan files, folders and archives of logs for incidents."),
    "watch": Listed(
        "watch", "Follow files and folders of logs, and tell findings and incidents as they come."
    ),
    "sources": Listed(
        "sources", "Sources of a watch: check their file, list them, make their tokens.", "app"
    ),
    "show": Listed(
        "show", "Show an incident's timeline, or every reason of a finding with its numbers."
    ),
    "hunt": Listed("hunt", "Ask the lake in SQL: events, findings and incidents."),
    "replay": Listed(
        "replay",
        "Compute a finding again from its original records and say whether it is the same.",
    ),
    "verify": Listed(
        "verify", "Prove that lake, dead letters, records and ledger are what was committed."
    ),
    "up": Listed("up", "Run everything on this machine: watch and console, kept alive."),
    "down": Listed("down", "End what `up` runs, in order."),
    "status": Listed("status", "Say how the parts that `up` runs are."),
    "doctor": Listed(
        "doctor", "Find what is wrong with a home and its machine, and say what to do."
    ),
    "console": Listed(
        "console", "Serve the console: incidents in a browser, for several people, over TLS."
    ),
    "outputs": Listed(
        "outputs",
        "Findings and incidents, told elsewhere: SIEMs, buses, files, chat, mail, STIX 2.1.",
        "app",
    ),
    "serve": Listed(
        "serve", "Serve the models that may judge to other programs, over HTTP.", "app"
    ),
    "backup": Listed(
        "backup",
        "Back up a home while others write it: the state of one commit, in one file.",
    ),
    "restore": Listed("restore", "Make a home of a backup."),
    "db": Listed(
        "database",
        "Where records and console keep their rows: SQLite in the home, or PostgreSQL.",
        "app",
    ),
    "retention": Listed(
        "retention", "Remove what is older than `[retention]` of hauberk.toml keeps it.", "app"
    ),
    "rules": Listed(
        "rules", "Work with Sigma rules: list, check, test, explain, coverage, hunt, update.", "app"
    ),
    "labels": Listed(
        "labels",
        "Verdicts as labels: export them, see how good they are, ask what is known.",
        "app",
    ),
    "measures": Listed(
        "measures", "Show how soon incidents are told and decided, and how often rightly."
    ),
    "models": Listed(
        "governing",
        "Models as signed data: registered, judged, approved, rolled out, and taken back.",
        "models_app",
    ),
    "people": Listed("governing", "Persons, their roles and their keys.", "people_app"),
    "policy": Listed(
        "governing", "The policy: who decides what, on which evidence, for how long.", "policy_app"
    ),
    "emulate": Listed(
        "emulate",
        "Write the logs of a small company, in native formats, with labelled attack campaigns.",
    ),
}


class Commands(TyperGroup):
    """The group of COMMANDS: named and listed by their summaries, loaded to be run."""

    def __init__(self, **settings: Any) -> None:  # Typer's own, handed on as they are
        super().__init__(**settings)
        for name, one in COMMANDS.items():
            self.add_command(TyperCommand(name, help=one.summary, short_help=one.summary), name)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The command that the arguments begin with, loaded, and the rest of them."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, COMMANDS[name].load(name) if name in COMMANDS else listed, rest
