"""Models that other programs ask over HTTP: only those that may judge, and every request counted.

What answers HTTP needs Starlette and uvicorn (extra `receive`, or `console`) and loads when asked.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .settings import TOKENS, Inference, read_inference

if TYPE_CHECKING:
    from .application import application
    from .running import Started, serve

__all__ = ["TOKENS", "Inference", "Started", "application", "read_inference", "serve"]

_LATER = {"Started": "running", "application": "application", "serve": "running"}


def __getattr__(name: str) -> Any:  # of whatever type the name has in its module
    if name not in _LATER:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
