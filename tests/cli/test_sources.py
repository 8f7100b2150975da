"""`hauberk sources` and the example that the docs show."""

import importlib.util
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hauberk.cli import main
from hauberk.serve.doctor import examine

EXAMPLE = Path(__file__).parents[2] / "docs" / "sources.toml"


@pytest.fixture
def example(tmp_path: Path) -> Path:
    for folder in ("zeek", "wef", "tls", "secrets"):
        (tmp_path / folder).mkdir()
    for name in ("server.pem", "server.key", "senders-ca.pem", "nats-ca.pem", "kafka-ca.pem"):
        (tmp_path / "tls" / name).touch()
    for name in ("nats.creds", "kafka"):
        (tmp_path / "secrets" / name).touch(0o600)
    file = tmp_path / "sources.toml"
    file.write_text(EXAMPLE.read_text())
    return file


def ran(*arguments: object) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(one) for one in arguments])
    return int(left.value.code or 0)


def test_the_example_of_the_docs_is_right(
    example: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for module in ("nats", "confluent_kafka", "starlette", "opentelemetry.proto"):
        pytest.importorskip(module)
    assert ran("sources", "check", example) == 0
    said = capsys.readouterr().out
    assert "firewall: UDP cannot be held back" in said
    assert "7 sources, nothing wrong" in said


def test_a_bus_that_is_not_reached_is_told_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("nats")
    (tmp_path / "secret").write_text("x")
    (tmp_path / "secret").chmod(0o644)
    file = tmp_path / "sources.toml"
    file.write_text(
        '[sources.bus]\nkind = "nats"\nservers = ["nats://127.0.0.1:1"]\nstream = "S"\n'
        'login = { token = "secret" }\n'
    )
    assert ran("sources", "check", file, "--connect") == 11
    said = capsys.readouterr()
    assert "NATS cannot be read" in said.out
    assert "127.0.0.1:1/S" in said.out
    assert "others can read the secret" in said.out
    assert "not reached: bus" in said.err


@pytest.mark.parametrize(
    ("module", "source", "extra"),
    [
        ("nats", "bus", "nats"),
        ("confluent_kafka", "topics", "kafka"),
        ("starlette", "agents", "receive"),
    ],
)
def test_a_source_whose_extra_is_not_installed_is_named_with_how_to_install_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    module: str, source: str, extra: str,
) -> None:  # fmt: skip
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == module else find(name)
    )
    file = tmp_path / "hauberk.toml"
    file.write_text(
        '[sources.bus]\nkind = "nats"\nservers = ["nats://127.0.0.1:1"]\nstream = "S"\n'
        '[sources.topics]\nkind = "kafka"\nbrokers = ["127.0.0.1:1"]\ntopics = ["T"]\n'
        '[sources.agents]\nkind = "http"\nlisten = "127.0.0.1:8080"\n'
        '[sources.firewall]\nkind = "syslog"\nlisten = "127.0.0.1:5514"\ntransport = "tcp"\n'
    )
    assert ran("sources", "check", file) == 2
    said = capsys.readouterr()
    assert f"{source}: it needs the extra {extra}" in said.out
    assert f"not installed for {source}\n" in said.err
    assert f"pip install 'hauberk[{extra}]'" in said.err
    if module != "starlette":
        told = {one.check: one for one in examine(tmp_path, datetime.now(UTC))}
        assert told[f"source {source}"].do == f"pip install 'hauberk[{extra}]'"


def test_what_is_wrong_is_told_with_file_key_and_wish(
    example: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example.write_text(example.read_text().replace('"15m"', '"soon"'))
    assert ran("sources", "check", example) == 2
    said = capsys.readouterr().err
    assert "source zeek, contract: silence is 'soon'" in said
    assert "Expected" in said


def test_a_token_is_shown_once_and_counted(
    example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    assert ran("sources", "token", "agents", "--home", home, "--json") == 0
    token = json.loads(capsys.readouterr().out)["token"]
    assert ran("sources", "list", example, "--home", home, "--json") == 0
    said = capsys.readouterr().out
    assert token not in said
    assert {one["name"]: one["tokens"] for one in json.loads(said)}["agents"] == 1
    assert ran("sources", "token", "agents", "--revoke", "--home", home) == 0
    assert "it had 1" in capsys.readouterr().out
    assert ran("sources", "list", example, "--home", home) == 0
    assert "agents  https://0.0.0.0:8443" in capsys.readouterr().out


def test_a_name_that_no_source_has_gets_no_token(tmp_path: Path) -> None:
    assert ran("sources", "token", "../x", "--home", tmp_path / "home") == 2


def test_a_watch_of_nothing_is_refused(tmp_path: Path) -> None:
    assert ran("watch", "--home", tmp_path / "home") == 2
