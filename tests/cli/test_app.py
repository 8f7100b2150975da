"""The commands as a user meets them: text, machine output, exit codes."""

import json
from pathlib import Path

import pytest

from hauberk.cli import main

ATTACK = {
    "@timestamp": "2026-03-02T10:00:00Z",
    "winlog": {
        "channel": "Microsoft-Windows-Sysmon/Operational",
        "event_id": 1,
        "computer_name": "ws07.corp.example",
        "event_data": {
            "Image": r"C:\Windows\System32\rundll32.exe",
            "CommandLine": r"rundll32.exe C:\Windows\System32\comsvcs.dll, MiniDump 612 a.dmp full",
            "ParentImage": r"C:\Windows\System32\cmd.exe",
            "User": r"CORP\jlee",
        },
    },
}
WIPE = json.loads(json.dumps(ATTACK))
WIPE["winlog"]["event_data"] |= {
    "Image": r"C:\Windows\System32\vssadmin.exe",
    "CommandLine": "vssadmin delete shadows /all /quiet",
}
CLEAR = json.loads(json.dumps(ATTACK))
CLEAR["winlog"]["event_data"] |= {
    "Image": r"C:\Windows\System32\wevtutil.exe",
    "CommandLine": "wevtutil cl Security",
}
QUIET = json.loads(json.dumps(ATTACK))
QUIET["winlog"]["event_data"] = {
    "Image": r"C:\Windows\System32\notepad.exe",
    "CommandLine": "notepad.exe list.txt",
    "ParentImage": r"C:\Windows\explorer.exe",
    "User": r"CORP\jlee",
}


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    code = ended.value.code
    assert isinstance(code, int)
    return code


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    path = tmp_path / "attack.json"
    path.write_text("".join(json.dumps(one) + "\n" for one in (ATTACK, WIPE, CLEAR)))
    return path


def test_incidents_exit_ten_and_are_told(
    logs: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("scan", logs, "--home", home) == 10
    text = capsys.readouterr().out
    assert "ws07" in text
    assert "bits" in text
    assert "Tactics" in text


def test_quiet_logs_exit_zero(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "quiet.json"
    path.write_text(json.dumps(QUIET) + "\n")
    assert run("scan", path, "--home", home) == 0
    assert "No incident within the budget" in capsys.readouterr().out


def test_a_missing_path_is_a_usage_error_that_names_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("scan", tmp_path / "nowhere", "--home", tmp_path / "home") == 2
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "home").exists()


def test_an_unreadable_input_exits_three(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    junk = tmp_path / "junk.bin"
    junk.write_bytes(bytes(range(256)) * 9)
    assert run("scan", junk, "--home", home) == 3
    assert "junk.bin" in capsys.readouterr().err


def test_a_time_that_is_none_is_a_usage_error(
    logs: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("scan", logs, "--home", home, "--since", "last week") == 2
    assert "--since" in capsys.readouterr().err


def test_json_on_stdout_is_json_alone(
    logs: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("scan", logs, "--home", home, "--json", "-") == 10
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["class_uid"] for row in rows} == {2004, 2005}
    assert all(row["type_uid"] == row["class_uid"] * 100 + 1 for row in rows)
    assert rows[0]["unmapped"]["above_budget"]
    places = [place for row in rows[1:] for place in row["unmapped"].get("records", ())]
    assert any(place["source"] == str(logs) and place["offset"] == 0 for place in places)


def test_quiet_prints_nothing(logs: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("scan", logs, "--home", home, "--quiet") == 10
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_show_by_rank_and_by_uid(
    logs: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("scan", logs, "--home", home, "--quiet")
    assert run("show", "1", "--home", home) == 0
    text = capsys.readouterr().out
    assert f"{logs} at byte 0" in text.replace("\n", " ")
    assert run("show", "1", "--home", home, "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    finding = rows[1]["finding_info"]["uid"]
    assert run("show", finding[:10], "--home", home) == 0
    assert "Reasons" in capsys.readouterr().out


def test_show_of_nothing_known_says_what_to_do(
    logs: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("scan", logs, "--home", home, "--quiet")
    assert run("show", "ffffffff", "--home", home) == 2
    assert "hauberk scan" in capsys.readouterr().err


def test_verify_is_content_and_then_names_what_was_touched(
    logs: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("scan", logs, "--home", home, "--quiet")
    assert run("verify", "--home", home) == 0
    lake = next(home.rglob("*.parquet"))
    data = bytearray(lake.read_bytes())
    data[len(data) // 2] ^= 1
    lake.write_bytes(data)
    capsys.readouterr()
    assert run("verify", "--home", home) == 5
    assert lake.name in capsys.readouterr().out.replace("\n", "")


def test_replay_says_the_same_to_the_bit(
    logs: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("scan", logs, "--home", home, "--json", home.with_suffix(".json"), "--quiet")
    rows = [json.loads(line) for line in home.with_suffix(".json").read_text().splitlines()]
    uid = next(row["finding_info"]["uid"] for row in rows if row["class_uid"] == 2004)
    assert run("replay", uid, "--home", home) == 0
    assert "The same to the bit" in capsys.readouterr().out


@pytest.mark.parametrize("command", [(), ("scan",), ("show",), ("verify",), ("replay",)])
def test_every_command_has_help_with_examples(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*command, "--help") == 0
    text = capsys.readouterr().out
    assert "Examples" in text
    assert "hauberk" in text
