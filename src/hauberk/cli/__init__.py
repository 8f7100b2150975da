"""Floor 7: the commands."""

from .app import main

__all__ = ["main"]
