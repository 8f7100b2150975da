"""`hauberk up` in a home of its own for each module, and people at Chromium."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra `console` is not installed")
pytest.importorskip("axe_playwright_python", reason="axe is not installed")
pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

from playwright.sync_api import sync_playwright
from tests.browser.people import CHROMIUM, OFFLINE, Person, axe_script
from tests.serve.systems import System, system, wait


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for one in items:
        if "tests/browser/" in one.nodeid:
            one.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if not CHROMIUM:
        pytest.skip("there is no chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OFFLINE)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe() -> str:
    return axe_script()


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, chromium: Any) -> Iterator[System]:
    """A system with a console, and a folder of logs that is empty yet."""
    with system(tmp_path_factory.mktemp("system")) as made:
        made.start()
        wait(lambda: "/setup/" in made.said(), "the link")
        yield made


@pytest.fixture(scope="module")
def address(up: System) -> str:
    return f"https://localhost:{up.port}"


@pytest.fixture(scope="module")
def person(chromium: Any, address: str) -> Iterator[Callable[[str], Person]]:
    """Somebody who sits down at a browser of their own."""
    there: list[Person] = []

    def make(name: str) -> Person:
        there.append(Person(name, address, chromium).sit_down())
        return there[-1]

    yield make
    for one in there:
        one.context.close()


@pytest.fixture(scope="module")
def ada(up: System, person: Callable[[str], Person]) -> Person:
    """The first administrator, who works on incidents too; signed in."""
    made = person("ada")
    made.set_up(next(word for word in up.said().split() if "/setup/" in word))
    made.sign_in()
    return made


def attack(host: str, second: int = 0) -> str:
    """Lines of a log in which shadow copies are deleted and logs cleared."""
    commands = (
        "vssadmin delete shadows /all /quiet",
        "wevtutil cl Security",
        "bcdedit /set {default} recoveryenabled no",
    )
    rows = [
        {
            "@timestamp": f"2026-03-02T10:00:{second + number:02}Z",
            "winlog": {
                "channel": "Microsoft-Windows-Sysmon/Operational", "event_id": 1,
                "computer_name": f"{host}.corp.example", "record_id": 100 + second + number,
                "event_data": {
                    "Image": rf"C:\Windows\System32\{command.split()[0]}.exe",
                    "OriginalFileName": f"{command.split()[0]}.exe",
                    "CommandLine": command, "ParentImage": r"C:\Users\Public\x.exe",
                    "User": rf"CORP\{host}-user",
                },
            },
        }
        for number, command in enumerate(commands)
    ]  # fmt: skip
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="module")
def attacked(up: System) -> Callable[[str], None]:
    """Append an attack on a host to the log that is watched."""
    hosts: list[str] = []

    def append(host: str) -> None:
        with (up.logs / "events.json").open("a") as file:
            file.write(attack(host, 5 * len(hosts)))
        hosts.append(host)

    return append
