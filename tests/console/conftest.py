"""A console on a home with one incident, a clock that stands still until it is moved, browsers."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the extra `console` is not installed")
pytest.importorskip("argon2", reason="the extra `console` is not installed")

from fastapi import FastAPI
from starlette.testclient import TestClient

from hauberk.console import Console, application
from hauberk.console import totp as one_time
from hauberk.console.passwords import Cost
from hauberk.console.permissions import Role
from hauberk.pipeline import ScanOptions, scan

PASSWORD = "plaited mail of rings"
CHEAP = Cost(1, 8, 1)
SAME_SITE = {"sec-fetch-site": "same-origin"}


@dataclass
class Clock:
    """A time that tests move."""

    now: datetime = datetime(2026, 3, 2, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Person:
    """Somebody with a browser."""

    name: str
    secret: bytes
    browser: TestClient
    clock: Clock
    password: str = PASSWORD
    csrf: str = field(default="")

    def code(self) -> str:
        return one_time.code_at(self.secret, one_time.step_of(self.clock()))

    def sign_in(self, **changed: str):
        form = self.browser.get("/sign-in")
        fields = {"name": self.name, "password": self.password, "code": self.code(), "back": "/"}
        fields["csrf"] = hidden(form.text, "csrf")
        return self.browser.post("/sign-in", data={**fields, **changed}, headers=SAME_SITE)

    def post(self, path: str, **fields: str | Sequence[str]):
        page = self.browser.get("/account")
        data = {"csrf": hidden(page.text, "csrf"), **fields}
        return self.browser.post(path, data=data, headers=SAME_SITE)


def hidden(page: str, name: str) -> str:
    return page.split(f'name="{name}" value="', 1)[1].split('"', 1)[0]


def attack_log(path: Path, text: str = "") -> Path:
    """A log in which shadow copies are deleted and logs cleared, with `text` in every field."""
    commands = [
        "vssadmin delete shadows /all /quiet",
        "wevtutil cl Security",
        "bcdedit /set {default} recoveryenabled no",
    ]
    rows = [
        {
            "@timestamp": f"2026-03-02T10:00:{number:02}Z",
            "winlog": {
                "channel": "Microsoft-Windows-Sysmon/Operational",
                "event_id": 1,
                "computer_name": f"ws07{text}",
                "record_id": number,
                "event_data": {
                    "Image": rf"C:\Windows\System32\{text}{command.split()[0]}.exe",
                    "CommandLine": f"{command} {text}",
                    "ParentImage": rf"C:\Users\Public\{text}x.exe",
                    "ParentCommandLine": text,
                    "CurrentDirectory": text,
                    "Hashes": text,
                    "OriginalFileName": f"{command.split()[0]}.exe",
                    "User": rf"CORP\jlee{text}",
                },
            },
        }
        for number, command in enumerate(commands)
    ]
    rows.append({"junk": text})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + f"no json {text}\n")
    return path


def incident_log(path: Path, host: str, day: int, minute: int = 0, *, more: bool = False) -> Path:
    """A log of a host on which shadow copies are deleted; with `more`, much else too."""
    commands = ["vssadmin delete shadows /all /quiet", "wevtutil cl Security"]
    if more:
        commands = [
            "bcdedit /set {default} recoveryenabled no", "wbadmin delete catalog -quiet",
            "rundll32 comsvcs.dll MiniDump 612 lsass.dmp full",
            "schtasks /create /sc onlogon /tn x /tr x.exe",
            "net user evil Passw0rd1 /add", "net localgroup administrators evil /add",
            "reg save HKLM\\SAM sam.hiv", "powershell -enc SQBFAFgA", "whoami /all",
            "nltest /dclist:",
        ]  # fmt: skip
    rows = [
        {
            "@timestamp": f"2026-03-{day:02}T10:{minute + at:02}:00Z",
            "winlog": {
                "channel": "Microsoft-Windows-Sysmon/Operational", "event_id": 1,
                "computer_name": f"{host}.corp.example", "record_id": minute + at,
                "event_data": {
                    "Image": f"C:\\Windows\\System32\\{command.split()[0]}.exe",
                    "OriginalFileName": f"{command.split()[0]}.exe", "CommandLine": command,
                    "User": f"CORP\\{host}-user",
                },
            },
        }
        for at, command in enumerate(commands)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


@pytest.fixture(scope="session")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one incident; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("scanned")
    scan(ScanOptions(paths=[attack_log(folder / "log.json")], home=folder / "home"))
    return folder / "home"


@pytest.fixture
def home(scanned: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(scanned, tmp_path / "home"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def console(home: Path, clock: Clock) -> Iterator[Console]:
    made = Console.of(home, clock=clock, cost=CHEAP)
    made.reading.look()
    yield made
    made.database.close()


@pytest.fixture
def app(console: Console) -> FastAPI:
    return application(console, ["localhost"])


@pytest.fixture
def browser(app: FastAPI) -> Callable[[], TestClient]:
    """Make a browser that knows nobody."""
    return lambda: TestClient(app, base_url="https://localhost", follow_redirects=False)


@pytest.fixture
def person(
    console: Console, clock: Clock, browser: Callable[[], TestClient]
) -> Callable[..., Person]:
    """Make somebody with these roles; signed in unless told otherwise."""

    def make(*roles: Role, name: str = "", signed_in: bool = True) -> Person:
        name = name or "-".join(role.value for role in roles).replace("_", "-")
        token = console.accounts.invite(name, roles, "test", clock())
        secret = console.accounts.invitation(token, clock()).secret
        made = Person(name, secret, browser(), clock)
        console.accounts.accept(token, "", PASSWORD, PASSWORD, made.code(), (), clock())
        clock.move(seconds=31)
        if signed_in:
            assert made.sign_in().status_code == 303
            clock.move(seconds=31)
        return made

    return make


@pytest.fixture
def incident(console: Console) -> str:
    """The uid of the one incident."""
    return str(console.reading.index.incidents["uid"][0])
