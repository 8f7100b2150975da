"""Floor 8: the web console, where people read incidents, decide, and account for it."""

from .app import application
from .console import Console
from .serving import ServeOptions, Started, read_listen, serve

__all__ = ["Console", "ServeOptions", "Started", "application", "read_listen", "serve"]
