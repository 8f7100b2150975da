"""The console as people meet it: a real process, TLS, and Chromium.

Skipped where there is no Chromium, or no Playwright to drive it.
"""

import base64
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hauberk.console import totp
from hauberk.errors import HomeBusyError
from hauberk.store import Commit, Home, verify

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

CHROMIUM = os.environ.get("HAUBERK_CHROMIUM") or shutil.which("chromium")
axe = pytest.importorskip("axe_playwright_python", reason="axe is not installed")
AXE = Path(axe.__file__).with_name("axe.min.js").read_text("utf-8")

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="there is no chromium on this machine"),
    pytest.mark.slow,
]
PASSWORD = "plaited mail of rings"
OFFLINE = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture
def served(home: Path) -> Iterator[tuple[str, str]]:
    """A console that runs: its address, and the link of the first administrator."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", "from hauberk.cli import main; main()", "console"]
    process = subprocess.Popen(
        [*command, "--home", str(home), "--listen", f"127.0.0.1:{port}"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        link = next(line.strip() for line in lines if "/setup/" in line)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"https://localhost:{port}", link
        process.terminate()
        assert process.wait(timeout=20) == 0 or process.returncode in (-15, 143)
    finally:
        process.kill()
        process.wait()


def code(secret: str) -> str:
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    return totp.code_at(key, totp.step_of(datetime.now(UTC)))


def accessible(page: Any) -> None:
    """No rule of WCAG 2.2 AA that a machine can check is broken, in either theme."""
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.evaluate(AXE)
        tags = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']"
        found = page.evaluate(f"axe.run({{runOnly: {tags}}})")
        assert len(found["passes"]) > 5
        broken = [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]]
        assert not broken, (page.url, theme)


def free(home: Path) -> Home:
    """The home, once the console has handed over what waited: it holds the lock for that long."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return Home.open(home)
        except HomeBusyError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_from_first_run_to_a_verdict_in_the_ledger(served: tuple[str, str], home: Path) -> None:
    address, link = served
    said: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OFFLINE)
        page = browser.new_context(ignore_https_errors=True).new_page()
        page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda one: said.append(str(one)))

        page.goto(link)
        accessible(page)
        secret = page.inner_text(".secret code")
        page.fill("#name", "ada")
        page.fill("#password", PASSWORD)
        page.fill("#again", PASSWORD)
        used = code(secret)
        page.fill("#code", used)
        page.click("text=Set up")
        page.wait_for_url(f"{address}/sign-in")
        while code(secret) == used:  # no code is taken twice
            time.sleep(0.2)
        page.fill("#name", "ada")
        page.fill("#password", PASSWORD)
        page.fill("#code", code(secret))
        page.keyboard.press("Enter")

        page.wait_for_selector("[data-stop]")
        page.wait_for_selector("#live:text-is('live')")
        accessible(page)
        shown = page.inner_text("#queue .note")
        with free(home) as writer:
            writer.commit(Commit(entries=[{"type": "test"}]))
        # The console's own acts may be committed meanwhile: any newer commit will do.
        page.wait_for_function(
            "shown => document.querySelector('#queue .note').innerText !== shown", arg=shown
        )

        page.keyboard.press("/")
        page.keyboard.type("no such host")
        page.wait_for_selector("text=Nothing here matches")
        page.fill("#search", "ws07")
        page.wait_for_selector("[data-stop]")
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        page.wait_for_selector("dialog[open]")
        page.keyboard.press("Escape")
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.keyboard.press("t")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_selector("#verdict")
        page.click(".timeline [data-stop] >> nth=0")
        page.wait_for_selector(".events .raw")
        page.click(".events .raw summary >> nth=0")
        assert "ws07" in page.inner_text(".events pre >> nth=0")
        accessible(page)
        page.set_viewport_size({"width": 320, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        page.check("input[value=true]")
        page.fill("#reason", "the user did not do it")
        page.click("text=Decide and close")
        page.wait_for_selector("text=decided: true")
        for path in ("health", "audit", "people", "account"):
            page.goto(f"{address}/{path}")
            assert page.evaluate("document.documentElement.scrollWidth") <= 320
            accessible(page)
        browser.close()
    deadline = time.monotonic() + 20
    verdicts: list[dict[str, object]] = []
    while not verdicts and time.monotonic() < deadline:
        time.sleep(0.3)
        with Home.open(home, read_only=True) as reader:
            verdicts = [e for e in reader.ledger.entries() if e["type"] == "console.verdict"]
    assert [(one["by"], one["verdict"]) for one in verdicts] == [("ada", "true")]
    assert verify(home).ok
    assert not [one for one in said if "htmx:" not in one]
