"""Floor 8: the web console, where people read incidents, decide, and account for it."""

from .app import application
from .console import Console
from .database import CONSOLE, console_status, upgrade_console
from .serving import ServeOptions, Started, read_listen, serve

__all__ = [
    "CONSOLE",
    "Console",
    "ServeOptions",
    "Started",
    "application",
    "console_status",
    "read_listen",
    "serve",
    "upgrade_console",
]
