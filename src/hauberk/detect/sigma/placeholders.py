"""Values for the placeholders of rules (`|expand`), from a TOML or YAML file."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

from hauberk.errors import UsageError

from .reading import UnreadableDocumentError, documents, read_bounded


def load_placeholders(path: Path) -> dict[str, tuple[str, ...]]:
    """Placeholder name to its values; patterns with `*` and `?` are allowed in a value.

    The file maps names to a value or a list of values, at its top or under `placeholders`. Raises
    UsageError where it cannot be read or is not of that form.
    """
    try:
        data = read_bounded(path)
        content = (
            tomllib.loads(data.decode())
            if path.suffix.lower() == ".toml"
            else next((one.content for one in documents(data)), {})
        )
        given = content.get("placeholders", content) if isinstance(content, Mapping) else content
        if not isinstance(given, Mapping):
            raise TypeError("expected a mapping of placeholders to values")
        return {str(name).strip("%"): _values(str(name), values) for name, values in given.items()}
    except (OSError, ValueError, TypeError) as fault:
        line = f":{fault.line}" if isinstance(fault, UnreadableDocumentError) else ""
        raise UsageError(
            f"these placeholders cannot be used: {fault}",
            where=f"{path}{line}",
            hint="Its form is `name = [values]` in TOML, or `name: [values]` in YAML",
        ) from fault


def _values(name: str, values: object) -> tuple[str, ...]:
    listed = values if isinstance(values, list) else [values]
    if not listed or not all(
        isinstance(one, str | int | float) and not isinstance(one, bool) for one in listed
    ):
        raise TypeError(f"{name}: expected texts or numbers")
    return tuple(str(one) for one in listed)
