"""Values of placeholders from files."""

from pathlib import Path

import pytest

from hauberk.detect.sigma import load_placeholders
from hauberk.errors import UsageError


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.toml", "Servers = ['srv*', 'db1']\nAdministrators = 'adm_*'\n"),
        ("p.toml", "[placeholders]\nServers = ['srv*', 'db1']\nAdministrators = ['adm_*']\n"),
        ("p.yml", "Servers: ['srv*', db1]\n'%Administrators%': adm_*\n"),
    ],
)
def test_placeholders_have_values(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert load_placeholders(tmp_path / name) == {
        "Servers": ("srv*", "db1"), "Administrators": ("adm_*",),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text"),
    [("p.toml", "a = "), ("p.yml", "- a"), ("p.yml", "a: {b: c}"), ("p.toml", "a = [true]"),
     ("p.yml", "a: []"), ("p.yml", "[")],
)  # fmt: skip
def test_a_file_of_another_form_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match="cannot be used"):
        load_placeholders(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"p\.toml"):
        load_placeholders(tmp_path / "p.toml")
