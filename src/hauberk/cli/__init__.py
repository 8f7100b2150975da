"""Floor 10: the commands."""

from .collecting import collect_seldom
from .stopping import when_stopped

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its code (`hauberk.errors.ExitCode`)."""
    # Loading the rooms below takes a second or two, in which Ctrl-C may come as well.
    with when_stopped():
        collect_seldom()
        from .app import run  # noqa: PLC0415

        run(arguments)
