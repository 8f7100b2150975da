"""Rule files into plain documents, whatever a file holds: bounded in bytes, nodes and aliases."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

MAX_FILE = 1 << 20
"""Bytes of a rule file. The longest public rule is a fiftieth of that."""

MAX_NODES = 50_000
"""Nodes of one document with its aliases written out."""

MAX_DEPTH = 64
MAX_DOCUMENTS = 1_000

SAMPLES = ".samples.yml"
"""How the names of files end that hold samples of a rule, not a rule."""


class UnreadableDocumentError(ValueError):
    """A document that is not plain, bounded YAML; `line` counts from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: its content, the line it begins on, and the lines of its keys."""

    content: object
    line: int
    lines: dict[str, int]


def rule_files(paths: Sequence[Path]) -> list[Path]:
    """Every rule file under `paths`, sorted, samples and hidden files left out."""
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            candidates = [p for kind in ("*.yml", "*.yaml") for p in path.rglob(kind)]
        else:
            candidates = [path]
        found.update(p for p in candidates if not p.name.startswith("."))
    return sorted(p for p in found if not p.name.endswith(SAMPLES))


def read_bounded(path: Path) -> bytes:
    """The bytes of a file of at most MAX_FILE. Raises OSError and UnreadableDocumentError."""
    if not path.is_file():
        raise UnreadableDocumentError("is not a regular file", 1)
    with path.open("rb") as file:
        data = file.read(MAX_FILE + 1)
    if len(data) > MAX_FILE:
        raise UnreadableDocumentError(f"is longer than {MAX_FILE} bytes", 1)
    return data


def documents(data: bytes) -> Iterator[Document]:
    """The YAML documents in `data`. Raises UnreadableDocumentError at the first that is not one."""
    loader: yaml.CSafeLoader | None = None
    count = 0
    try:
        _check_depth(data)
        loader = yaml.CSafeLoader(data)
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                break
            line = node.start_mark.line + 1
            count += 1
            if count > MAX_DOCUMENTS:
                raise UnreadableDocumentError(f"holds more than {MAX_DOCUMENTS} documents", line)
            _expanded(node, {}, 0)
            lines = {}
            if isinstance(node, yaml.MappingNode):
                lines = {key.value: key.start_mark.line + 1 for key, _ in node.value}
            yield Document(loader.construct_document(node), line, lines)
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        raise UnreadableDocumentError(_sentence(fault), mark.line + 1 if mark else 1) from fault
    except (UnicodeError, RecursionError, TypeError, ValueError, OverflowError) as fault:
        if isinstance(fault, UnreadableDocumentError):
            raise
        raise UnreadableDocumentError(f"cannot be read: {fault}", 1) from fault
    finally:
        if loader is not None:
            loader.dispose()


def _check_depth(data: bytes) -> None:
    """Raise where nesting is deeper than MAX_DEPTH: PyYAML's composer recurses in C, unguarded."""
    loader = yaml.CSafeLoader(data)
    depth = 0
    try:
        while (event := loader.get_event()) is not None:
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    line = event.start_mark.line + 1 if event.start_mark else 1
                    raise UnreadableDocumentError("is nested too deeply", line)
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    finally:
        loader.dispose()


def _expanded(node: yaml.Node, sizes: dict[int, int], depth: int) -> int:
    """Number of nodes when aliases are written out. Raises on cycles, depth, size and doubles."""
    line = node.start_mark.line + 1
    known = sizes.get(id(node))
    if known is not None:
        if known < 0:
            raise UnreadableDocumentError("has an alias to itself", line)
        return known
    if depth > MAX_DEPTH:
        raise UnreadableDocumentError("is nested too deeply", line)
    sizes[id(node)] = -1
    size = 1
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise UnreadableDocumentError("has a key that is not plain text", line)
            if key.value in seen:
                raise UnreadableDocumentError(f"has the key {key.value!r} twice", line)
            seen.add(key.value)
            size += 1 + _expanded(value, sizes, depth + 1)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            size += _expanded(value, sizes, depth + 1)
    if size > MAX_NODES:
        raise UnreadableDocumentError(f"holds more than {MAX_NODES} values", line)
    sizes[id(node)] = size
    return size


def _sentence(fault: Exception) -> str:
    problem = getattr(fault, "problem", None) or str(fault)
    return f"is not YAML: {str(problem)[:200]}"
