r"""Names made comparable: what differs by accident (users, versions, temp names) is collapsed.

Novelty means something only where names are stable: `C:\Users\ann\...\app-1.2.3\x.exe` and
`C:\Users\bob\...\app-1.2.4\x.exe` are one thing. All of this is expressions, run once a
distinct value, with regular expressions that take linear time.
"""

from collections.abc import Callable

import polars as pl

_MAX_LENGTH = 512

_COLLAPSE = (
    (r"^(?:\\\\[?.]\\|\\\?\?\\)", ""),
    (r"^\\systemroot\\", "c:\\windows\\"),
    (r"^\\device\\harddiskvolume\d+\\", "c:\\"),
    (r"%systemroot%|%windir%", r"c:\windows"),
    (r"\\(?:syswow64|sysnative)\\", "\\system32\\"),
    (r"\\(?:users|documents and settings)\\[^\\]+", r"\users\*"),
    (r"^/home/[^/]+", "/home/*"),
    (r"\\winsxs\\[^\\]+", r"\winsxs\*"),
    (r"\\te?mp\\.*?(\.[a-z]{1,5})?$", r"\temp\*$1"),
    (r"^(/tmp|/var/tmp|/dev/shm)/.*?(\.[a-z]{1,5})?$", "$1/*$2"),
)

_VARYING = (
    (r"\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?", "*"),
    (r"s-1-5-21(?:-\d+)+", "s-1-5-21-*"),
    (r"\b(?:0x)?[0-9a-f]*\d[0-9a-f]{7,}\b", "*"),
    (r"\b\d+(?:[._]\d+)+\b", "#"),
    (r"\d{3,}", "#"),
)

_ARGUMENTS = (
    (r"^\s*(?:\"[^\"]*\"|\S+)\s*", ""),
    (r"[a-z0-9+/_-]{40,}={0,2}", "<long>"),
    (r"https?://[^\s\"']+", "<url>"),
    (r"\"?(?:[a-z]:|\\\\)\\[^\s\"',;]*", "<path>"),
    (r"\d+", "#"),
    (r"\s+", " "),
)


def path(rows: pl.DataFrame, column: str) -> pl.Expr:
    """A file path, lower case, with users, versions, GUIDs, hex and temp names collapsed."""
    return _made(rows[column], lambda text: _replaced(_replaced(text, _COLLAPSE), _VARYING))


def image(rows: pl.DataFrame, column: str) -> pl.Expr:
    """The last part of a path (an image's name), collapsed in the same way."""
    return _made(rows[column], lambda text: _replaced(text.str.extract(r"([^\\/]+)$"), _VARYING))


def varying(rows: pl.DataFrame, column: str) -> pl.Expr:
    """Any name, lower case, with GUIDs, hex, versions and numbers collapsed."""
    return _made(rows[column], lambda text: _replaced(text, _VARYING))


def command_shape(rows: pl.DataFrame, column: str) -> pl.Expr:
    """A command line's arguments with paths, addresses, numbers and long blobs collapsed."""
    return _made(
        rows[column],
        lambda text: _replaced(_replaced(text, _VARYING[:2]), _ARGUMENTS).str.slice(0, 160),
    )


def domain(rows: pl.DataFrame, column: str) -> pl.Expr:
    """The last two labels of a domain name, three where the second is as short as `co` or `com`."""
    return _made(
        rows[column],
        lambda text: text.str.strip_chars(".").str.extract(
            r"((?:[^.]+\.)?[^.]{1,3}\.[^.]{2}|[^.]+\.[^.]+)$"
        ),
    )


def clean(rows: pl.DataFrame, column: str) -> pl.Expr:
    """A name as it is, lower case, null where it names nothing."""
    return _made(rows[column], lambda text: text)


def _made(values: pl.Series, make: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    """`make` of each value, worked out once a distinct value."""
    distinct = values.unique()
    text = pl.col("value").str.slice(0, _MAX_LENGTH).str.to_lowercase().str.strip_chars(' "\t')
    named = pl.when(text.is_in(["", "-"])).then(None).otherwise(text)
    made = pl.DataFrame({"value": distinct}).select(make(named)).to_series()
    return pl.lit(values.replace_strict(distinct, made, return_dtype=pl.String))


def _replaced(text: pl.Expr, patterns: tuple[tuple[str, str], ...]) -> pl.Expr:
    for pattern, replacement in patterns:
        text = text.str.replace_all(pattern, replacement)
    return text
