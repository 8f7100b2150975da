"""Commands are listed without being loaded, and are what the list says."""

import subprocess
import sys

import pytest
import typer

from hauberk.cli.app import app
from hauberk.cli.commands import COMMANDS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_list_says_what_the_command_says_of_itself(name: str) -> None:
    loaded = COMMANDS[name].load(name)
    assert (loaded.help or "").split("\n\n")[0] == COMMANDS[name].summary
    assert typer.main.get_command(app).commands[name].help == COMMANDS[name].summary  # type: ignore[attr-defined]


def test_help_loads_no_room_of_the_house() -> None:
    code = (
        "import sys\nfrom hauberk.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'polars', 'sqlalchemy', 'pyarrow', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "scan " in done.stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_groups_list_their_commands_whole_and_no_options_of_the_shell(name: str) -> None:
    context = typer.Context(COMMANDS[name].load(name), info_name=name)
    told = context.get_help()
    assert "--install-completion" not in told
    assert "..." not in told.partition("\nCommands:\n")[2]
