"""The literal that a regular expression cannot match without, to look for first."""

_QUANTIFIERS = "*?{"
_PLAIN_CLASSES = frozenset("dDwWsSbBAz")
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}


def required_literal(pattern: str) -> str:
    """The longest folded ASCII text that is in every match, or "" where none is certain.

    Reads the top level of the pattern alone and gives up at what it does not know: a missing
    answer costs time, a wrong one would cost a detection.
    """
    runs: list[str] = []
    run: list[str] = []
    position = 0
    while position < len(pattern):
        end, literal = _item(pattern, position)
        if end < 0:
            return ""
        following = pattern[end : end + 1]
        if literal is None or not literal.isascii() or (following and following in _QUANTIFIERS):
            runs.append("".join(run))
            run = []
        else:
            run.append(literal)
        if following and following in "*+?{":
            end = _quantifier(pattern, end)
            if end < 0:
                return ""
            runs.append("".join(run))
            run = []
        position = end
    runs.append("".join(run))
    longest = max(runs, key=len)
    return longest.lower() if len(longest) > 1 else ""


def _item(pattern: str, position: int) -> tuple[int, str | None]:
    """End of the item at `position` and the character it stands for, if one; -1 to give up."""
    character = pattern[position]
    if character == "\\":
        return _escape(pattern, position)
    if character == "[":
        return _class_end(pattern, position), None
    if character == "(":
        return _group_end(pattern, position), None
    if character in "|)*+?{":
        return -1, None
    if character in ".^$":
        return position + 1, None
    return position + 1, character


def _escape(pattern: str, position: int) -> tuple[int, str | None]:
    escaped = pattern[position + 1 : position + 2]
    if escaped in _PLAIN_CLASSES and escaped:
        return position + 2, None
    if escaped in _CONTROLS:
        return position + 2, _CONTROLS[escaped]
    if not escaped or (escaped.isascii() and escaped.isalnum()):
        return -1, None
    return position + 2, escaped


def _class_end(pattern: str, position: int) -> int:
    index = position + 1
    if pattern[index : index + 1] == "^":
        index += 1
    if pattern[index : index + 1] == "]":
        index += 1
    while index < len(pattern):
        character = pattern[index]
        if character == "\\":
            index += 2
        elif character == "[" and pattern[index + 1 : index + 2] == ":":
            close = pattern.find(":]", index)
            if close < 0:
                return -1
            index = close + 2
        elif character == "]":
            return index + 1
        else:
            index += 1
    return -1


def _group_end(pattern: str, position: int) -> int:
    depth = 0
    index = position
    while index < len(pattern):
        character = pattern[index]
        if character == "\\":
            if pattern[index + 1 : index + 2] == "Q":
                return -1
            index += 2
            continue
        if character == "[":
            index = _class_end(pattern, index)
            if index < 0:
                return -1
            continue
        if character == "(":
            depth += 1
            # (?x...) without a colon changes the meaning of what follows it.
            if pattern[index + 1 : index + 2] == "?" and _changes_flags(pattern, index + 2):
                return -1
        elif character == ")":
            depth -= 1
            if depth == 0:
                return index + 1
        index += 1
    return -1


def _changes_flags(pattern: str, index: int) -> bool:
    while index < len(pattern) and pattern[index] in "imsU-":
        if pattern[index] == "-" or pattern[index] == "U":
            return True
        index += 1
    return False


def _quantifier(pattern: str, position: int) -> int:
    if pattern[position] == "{":
        close = pattern.find("}", position)
        if close < 0 or not pattern[position + 1 : close].replace(",", "").isdigit():
            return -1
        position = close
    position += 1
    if pattern[position : position + 1] == "?":
        position += 1
    return position if pattern[position : position + 1] not in ("*", "+", "{") else -1
