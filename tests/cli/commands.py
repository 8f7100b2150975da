"""Commands as a user gives them, and events to give them."""

import json

import pytest

from hauberk.cli import main


def event(command: str, image: str = "vssadmin.exe", minute: int = 0) -> str:
    return json.dumps(
        {
            "@timestamp": f"2026-03-02T10:{minute:02}:00Z",
            "winlog": {
                "channel": "Microsoft-Windows-Sysmon/Operational",
                "event_id": 1,
                "computer_name": "ws07.corp.example",
                "event_data": {
                    "Image": rf"C:\Windows\System32\{image}",
                    "CommandLine": command,
                    "User": r"CORP\jlee",
                },
            },
        }
    )


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    code = ended.value.code
    assert isinstance(code, int)
    return code
