"""Documents of one file made whole: `action: global`, `reset` and `repeat` of rule collections.

Source: Sigma specification 1.0 (rule collections), as pySigma reads them. What `global` says stands
in every rule after it, over what the rule says itself; further `global` documents add to it.
`repeat` is the rule before, with changes. Correlations and filters stay as they are written.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from .reading import MAX_NODES, Document


class CollectionFaultError(ValueError):
    """A document that cannot be made whole; `line` counts from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


def gathered(documents: Iterable[Document]) -> Iterator[Document | CollectionFaultError]:
    """Each rule, correlation and filter of a file with all its keys, or why it has none."""
    common: dict[str, object] = {}
    before: dict[str, object] = {}
    for document in documents:
        content = document.content
        if content is None:
            continue
        if not isinstance(content, dict):
            yield document
            continue
        action = content.get("action")
        mine = {key: value for key, value in content.items() if key != "action"}
        if action is None and ("correlation" in mine or "filter" in mine):
            yield document
            continue
        match action:
            case None:
                before = _merged(mine, common)
            case "global":
                common = before = _merged(common, mine)
                continue
            case "reset":
                common = {}
                continue
            case "repeat":
                before = _merged(before, mine)
            case _:
                reason = f"the action {str(action)[:40]!r} is none of global, reset and repeat"
                yield CollectionFaultError(reason, document.lines.get("action", document.line))
                continue
        if _size(before) > MAX_NODES:
            yield CollectionFaultError("grows too large by what is merged into it", document.line)
            before = {}
            continue
        yield replace(document, content=before)


def _merged(below: Mapping[str, object], above: Mapping[str, object]) -> dict[str, object]:
    """Two mappings as one; where both say something, `above` counts, mappings key by key."""
    made = dict(below)
    for key, value in above.items():
        was = made.get(key)
        if isinstance(value, dict):
            made[key] = _merged(was if isinstance(was, dict) else {}, value)
        else:
            made[key] = value
    return made


def _size(value: object) -> int:
    if isinstance(value, dict):
        return 1 + sum(_size(inner) for inner in value.values())
    if isinstance(value, list):
        return 1 + sum(_size(inner) for inner in value)
    return 1
