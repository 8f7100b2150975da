"""The command line: one command a file, one place where errors become exit codes."""

import sys
import traceback
from typing import Annotated

import click
import typer
from rich.console import Console
from rich.markup import escape

from hauberk import __version__
from hauberk.errors import ExitCode, HauberkError

from . import emulate, replay, scan, show, verify

app = typer.Typer(
    name="hauberk",
    help="""A folder of real logs becomes a short ranked list of explained incidents.

    Examples:

      hauberk scan /var/log/zeek evidence.zip --html report.html

      hauberk show 1

      hauberk verify
    """,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("emulate", help=emulate.HELP)(emulate.command)
app.command("scan", help=scan.HELP)(scan.command)
app.command("show", help=show.HELP)(show.command)
app.command("verify", help=verify.HELP)(verify.command)
app.command("replay", help=replay.HELP)(replay.command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hauberk {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error arose.")] = False,
) -> None:
    """Options of every command; `main` reads `--debug` itself."""


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code (`hauberk.errors.ExitCode`)."""
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given
    try:
        code = app(given, standalone_mode=False)
    except HauberkError as error:
        code = _told(error.what, error.where, error.hint, error.exit_code, debug)
    except click.exceptions.Abort:
        code = _told("stopped", None, "What was committed is kept", ExitCode.INTERNAL, debug)
    except click.ClickException as error:
        error.show()
        code = ExitCode.USAGE
    except KeyboardInterrupt:
        code = _told("stopped", None, "What was committed is kept", ExitCode.INTERNAL, debug)
    except BrokenPipeError:
        sys.stderr.close()
        code = ExitCode.OK
    except Exception as error:  # noqa: BLE001  # the last place where a trace can become a sentence
        code = _told(
            f"{type(error).__name__}: {error}",
            None,
            "This is a fault of Hauberk's; run again with --debug and report what it prints",
            ExitCode.INTERNAL,
            debug,
        )
    sys.exit(int(code or 0))


def _told(what: str, where: str | None, hint: str | None, code: ExitCode, debug: bool) -> ExitCode:
    """Print an error to people: what happened and where, then what to do."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    place = f"{escape(where)}: " if where else ""
    console.print(f"[bold red]error:[/] {place}{escape(what)}")
    if hint:
        console.print(f"  {escape(hint)}.")
    if debug:
        traceback.print_exc()
    return code
