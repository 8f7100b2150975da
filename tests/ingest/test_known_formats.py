"""Choosing formats by content, and why none was chosen."""

import pytest

from hauberk.errors import UsageError
from hauberk.ingest import format_named, installed_formats, recognise, why_unrecognised


def test_every_registered_format_is_called_what_its_entry_point_says() -> None:
    assert {"evtx", "windows-json", "windows-json-document"} <= set(installed_formats())
    for name, known in installed_formats().items():
        assert known.name == name
        assert format_named(name) is known


def test_an_unknown_name_says_which_are_known() -> None:
    with pytest.raises(UsageError, match="windows-json"):
        format_named("nonsense")


def test_content_decides_and_nothing_is_guessed() -> None:
    windows = recognise(b'{"EventID":1,"Channel":"System"}\n', None)
    assert windows is format_named("windows-json")
    assert recognise(b"ElfFile\0" + b"\0" * 100, None) is format_named("evtx")
    assert recognise(b"", None) is None
    assert recognise(bytes(range(256)) * 8, None) is None


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"", "empty"),
        (b" \n\t", "white space"),
        (b'{"a":1}', "JSON"),
        (bytes(32) * 4, "binary"),
        (b"Dear Sir or Madam,\n", "text"),
    ],
)
def test_the_reason_names_what_the_file_looks_like(head: bytes, reason: str) -> None:
    assert reason in why_unrecognised(head)
