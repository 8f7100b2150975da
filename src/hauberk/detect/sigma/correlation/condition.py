"""Extended conditions of temporal correlations: rules joined by `and`, `or`, `not`, brackets."""

import re
from collections.abc import Callable, Sequence

from hauberk.detect.sigma.expression import AND, NOT, OR, Node, joined, negated

MAX_CHOICES = 64
"""Alternatives of a condition in an order."""

_DEEPEST = 32
_TOKEN = re.compile(r"\s*(?:([()])|([A-Za-z0-9_][A-Za-z0-9_.\-]*))")


class CorrelationFaultError(ValueError):
    """A correlation that cannot be judged, and why."""


def parse_condition(text: str, rules: Sequence[str] = ()) -> tuple[Node, tuple[str, ...]]:
    """A condition over positions of rules, and the rules: those given, or in order of appearance.

    Raises CorrelationFaultError.
    """
    parser = _Parser(_words(text), rules)
    node = parser.either(0)
    parser.finish()
    if _holds_of_nothing(node):
        raise CorrelationFaultError("the condition holds where no rule matches at all")
    return node, tuple(parser.order)


class _Parser:
    """Reads words from the left: `not` binds closest, then `and`, then `or`."""

    def __init__(self, words: list[str], rules: Sequence[str]) -> None:
        self.order = dict.fromkeys(rules)
        self._words = words
        self._closed = bool(rules)
        self._found: set[str] = set()

    def either(self, depth: int) -> Node:
        """Parts joined by `or`."""
        return self._chain("or", OR, self._both, depth)

    def finish(self) -> None:
        """Complain of words, and of rules, that are left over."""
        if self._words:
            raise CorrelationFaultError(f"the condition has {self._words[0]!r} too many")
        unused = [name for name in self.order if name not in self._found]
        if unused:
            raise CorrelationFaultError(f"rules names {unused[0]}, which the condition does not")

    def _both(self, depth: int) -> Node:
        return self._chain("and", AND, self._single, depth)

    def _chain(self, word: str, operator: str, part: Callable[[int], Node], depth: int) -> Node:
        nodes = [part(depth)]
        while self._words and self._words[0].lower() == word:
            self._words.pop(0)
            nodes.append(part(depth))
        return joined(operator, nodes)

    def _single(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise CorrelationFaultError("the condition is nested too deeply")
        if not self._words:
            raise CorrelationFaultError("the condition ends where a rule was expected")
        word = self._words.pop(0)
        match word.lower():
            case "not":
                return negated(self._single(depth + 1))
            case "(":
                inner = self.either(depth + 1)
                if not self._words or self._words.pop(0) != ")":
                    raise CorrelationFaultError("the condition lacks a closing bracket")
                return inner
            case ")" | "and" | "or":
                raise CorrelationFaultError(f"the condition has {word!r} instead of a rule")
            case _:
                return self._place(word)

    def _place(self, name: str) -> int:
        if self._closed and name not in self.order:
            raise CorrelationFaultError(f"the condition names {name}, which rules does not")
        self.order.setdefault(name)
        self._found.add(name)
        return list(self.order).index(name)


def _words(text: str) -> list[str]:
    words, place = [], 0
    text = text.strip()[:4000]
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            sign = text[place:].lstrip()[0]
            raise CorrelationFaultError(f"the condition has {sign!r}, which says nothing")
        words.append(found.group(1) or found.group(2))
        place = found.end()
    return words


def _holds_of_nothing(node: Node) -> bool:
    if isinstance(node, bool):
        return node
    if isinstance(node, int):
        return False
    inner = [_holds_of_nothing(child) for child in node[1:] if not isinstance(child, str)]
    if node[0] == NOT:
        return not inner[0]
    return all(inner) if node[0] == AND else any(inner)


def choices(node: Node) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """The alternatives of an expression: rules that must have matched, and that must not.

    Raises CorrelationFaultError where there are more than MAX_CHOICES.
    """
    found = _alternatives(node, positive=True)
    return [
        (tuple(sorted(yes)), tuple(sorted(no))) for yes, no in dict.fromkeys(found) if not yes & no
    ]


_Choice = tuple[frozenset[int], frozenset[int]]


def _alternatives(node: Node, *, positive: bool) -> list[_Choice]:
    none: frozenset[int] = frozenset()
    if isinstance(node, bool):
        return [(none, none)] if node is positive else []
    if isinstance(node, int):
        return [(frozenset({node}), none) if positive else (none, frozenset({node}))]
    inner = [
        _alternatives(child, positive=positive is (node[0] != NOT))
        for child in node[1:]
        if not isinstance(child, str)
    ]
    if node[0] == NOT:
        return inner[0]
    if (node[0] == OR) is positive:
        made = [one for alternatives in inner for one in alternatives]
    else:
        made = [(none, none)]
        for alternatives in inner:
            made = [(a | c, b | d) for a, b in made for c, d in alternatives]
            if len(made) > MAX_CHOICES:
                break
    if len(made) > MAX_CHOICES:
        raise CorrelationFaultError(f"the condition has more than {MAX_CHOICES} alternatives")
    return made
