"""Tokens open one source, are seen once, and can be taken away."""

from pathlib import Path

import pytest

from hauberk.errors import HomeDamagedError
from hauberk.ingest.receivers import Tokens
from hauberk.ingest.receivers.tokens import TOKENS


def test_a_token_opens_its_source_and_no_other_text_does(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    made = tokens.make("web")
    assert tokens.source_of(made) == "web"
    for other in ("", made[:-1], made + "x", made.swapcase(), "hbk_" + "A" * 43):
        assert tokens.source_of(other) is None


def test_the_home_keeps_no_token_and_nobody_else_reads_its_file(tmp_path: Path) -> None:
    made = Tokens(tmp_path).make("web")
    file = tmp_path / TOKENS
    assert made not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_what_another_process_makes_and_takes_away_is_seen(tmp_path: Path) -> None:
    mine, other = Tokens(tmp_path), Tokens(tmp_path)
    assert mine.names() == {}
    made = other.make("web")
    assert mine.source_of(made) == "web"
    assert mine.names() == {"web": 1}
    assert other.revoke("web") == 1
    assert mine.source_of(made) is None


def test_a_damaged_file_is_told_and_opens_nothing(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path)
    made = tokens.make("web")
    (tmp_path / TOKENS).write_text("[")
    with pytest.raises(HomeDamagedError):
        Tokens(tmp_path).source_of(made)
