"""`hauberk db` and `hauberk retention`, as they are run."""

import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hauberk.cli.app import run as run_app


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        run_app([str(one) for one in arguments])
    gc.collect()  # what the end of a command's process would let go of
    return int(ended.value.code or 0)


def test_a_home_is_looked_at_moved_and_looked_at_again(
    make_home: Callable[..., Path], postgres: Any, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    home = make_home("a")
    assert run("db", "status", "--home", home, "--json") == 0
    (said,) = json.loads(capsys.readouterr().out)
    assert (said["holds"], said["engine"], said["pending"]) == ("records", "sqlite", False)
    url = postgres.url(postgres.database())
    assert run("db", "move", "--to", url, "--home", home) == 0
    assert "hauberk.batches              1 rows, the same" in capsys.readouterr().out
    assert run("db", "status", "--home", home) == 2
    assert "nothing says where" in capsys.readouterr().err
    monkeypatch.setenv("HAUBERK_DATABASE_URL", url)
    assert run("db", "upgrade", "--home", home) == 0
    assert "up to date" in capsys.readouterr().out
    assert run("verify", "--home", home) == 0


def test_what_is_too_old_is_named_before_it_goes(
    make_home: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    home = make_home("a")
    (home / "hauberk.toml").write_text("[retention]\ndefault = 30\n")
    assert run("retention", "run", "--dry-run", "--home", home) == 0
    said = capsys.readouterr().out
    assert "authentication" in said
    assert "15 rows would go, 1 files" in said
    assert run("retention", "run", "--home", home, "--json") == 0
    done = json.loads(capsys.readouterr().out)
    assert done["commit"] == 2
    # The findings of this commit are in no incident's list: their events are nobody's evidence.
    assert done["deleted"]["files"] >= 2
    assert run("retention", "run", "--home", home) == 0
    assert "nothing is older" in capsys.readouterr().out
    assert run("verify", "--home", home) == 0


@pytest.mark.parametrize("words", [["db", "status"], ["retention", "run"]])
def test_where_there_is_no_home_none_is_made(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*words, "--home", tmp_path / "none") == 2
    assert "no home" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
