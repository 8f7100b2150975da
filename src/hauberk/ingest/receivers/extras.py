"""The extras of Hauberk that receivers need: looked for without importing them."""

import importlib.util

from .sources_file import Kind, Source

_NEEDED = {
    Kind.HTTP: ("receive", ("opentelemetry.proto", "starlette", "uvicorn")),
    Kind.NATS: ("nats", ("nats", "nkeys")),
    Kind.KAFKA: ("kafka", ("confluent_kafka",)),
}


def missing_extra(source: Source) -> str:
    """The extra that a source needs and that is not installed whole; empty where all is there."""
    extra, modules = _NEEDED.get(source.kind, ("", ()))
    return extra if not all(map(_is_there, modules)) else ""


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # what it is a part of is not there either
        return False
