"""The command line: one command a file, one place where errors become exit codes."""

import sys
import traceback
from typing import Annotated, cast

import typer
from rich.console import Console
from rich.markup import escape

from hauberk import __version__
from hauberk.errors import ExitCode, HauberkError

from . import output
from .commands import Commands

# The family of what Typer says of a command line, whichever library it takes its parser from.
_COMMAND_LINE = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[2])

app = typer.Typer(
    name="hauberk",
    cls=Commands,
    help="""A folder of real logs becomes a short ranked list of explained incidents.

    Examples:

      hauberk scan /var/log/zeek evidence.zip --html report.html

      hauberk show 1

      hauberk up /var/log/auth.log             the same live, in a browser

      hauberk doctor
    """,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    """Options of every command; `run` reads `--debug` itself."""


def run(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code (`hauberk.errors.ExitCode`)."""
    given = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in given
    output.set_up_streams()
    try:
        code = app(given, standalone_mode=False)
        output.flush()
    except HauberkError as error:
        code = _told(error, debug)
    except _COMMAND_LINE as error:
        code = _misused(error)
    except BrokenPipeError:
        output.drop()
        code = ExitCode.OK
    except Exception as error:  # noqa: BLE001  # the last place where a trace can become a sentence
        code = _told(_unexpected(error), debug)
    sys.exit(int(code or 0))


def _unexpected(error: Exception) -> HauberkError:
    """What no room below made a sentence of."""
    full = output.told(error, where="standard output") if isinstance(error, OSError) else None
    if full is not None:
        # What is still held back cannot be written either, and the interpreter would try.
        output.drop()
        return full
    return HauberkError(
        f"{type(error).__name__}: {error}",
        hint="This is a fault of Hauberk's; run again with --debug and report what it prints",
    )


def _misused(error: typer.BadParameter) -> ExitCode:
    """Print what is wrong with the command line; its help where nothing was asked."""
    error.show()
    return ExitCode.USAGE


def _told(error: HauberkError, debug: bool) -> ExitCode:
    """Print an error to people: what happened and where, then what to do."""
    from hauberk.reports import block, plain  # noqa: PLC0415  # it loads what no help needs

    console = Console(stderr=True, highlight=False, soft_wrap=True)
    place = f"{escape(plain(error.where, 2000))}: " if error.where else ""
    # Lines after the first are set in: none of them can pass for one of ours.
    what = block(error.what).replace("\n", "\n  ") if error.has_lines else plain(error.what, 2000)
    console.print(f"[bold red]error:[/] {place}{escape(what)}")
    if error.hint:
        console.print(f"  {escape(plain(error.hint, 2000))}.")
    if debug:
        traceback.print_exc()
    return error.exit_code
