"""People at Chromium: each has a browser of their own, a password, and an app for codes."""

import base64
import os
import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from hauberk.console import totp

CHROMIUM = os.environ.get("HAUBERK_CHROMIUM") or shutil.which("chromium")
OFFLINE = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PASSWORD = "plaited mail of rings"
PATIENCE = 90_000.0  # milliseconds, of a machine that does much else


class App:
    """An authenticator app: shows each code once, the neighbours' too if it has to hurry."""

    def __init__(self, secret: str) -> None:
        self._key = base64.b32decode(secret + "=" * (-len(secret) % 8))
        self._shown = 0

    def code(self) -> str:
        here = totp.step_of(datetime.now(UTC))
        step = max(here - 1, self._shown + 1)
        while step > totp.step_of(datetime.now(UTC)) + 1:
            time.sleep(0.2)
        self._shown = step
        return totp.code_at(self._key, step)


@dataclass
class Person:
    """Somebody at a browser; `said` is what it complained of."""

    name: str
    address: str
    browser: Any
    app: App | None = None
    said: list[str] = field(default_factory=list)
    context: Any = None
    page: Any = None

    def sit_down(self, **options: Any) -> "Person":
        """Open a browser window that knows nobody."""
        if self.context is not None:
            self.context.close()
        self.context = self.browser.new_context(ignore_https_errors=True, **options)
        self.context.set_default_timeout(PATIENCE)
        self.page = self.context.new_page()
        self.page.on("console", self._complained)
        self.page.on("pageerror", lambda one: self.said.append(str(one)))
        return self

    def _complained(self, message: Any) -> None:
        # htmx says so of every request that a newer one replaced.
        replaced = message.text.startswith("htmx:") or "/live" in message.location.get("url", "")
        if message.type == "error" and not replaced:
            self.said.append(f"{message.text} at {message.location}")

    def set_up(self, link: str) -> None:
        """Follow a one-time link."""
        self.page.goto(link)
        self.app = App(self.page.inner_text(".secret code"))
        if self.page.get_attribute("#name", "readonly") is None:
            self.page.fill("#name", self.name)
        self.page.fill("#password", PASSWORD)
        self.page.fill("#again", PASSWORD)
        self.page.fill("#code", self.app.code())
        self.page.click("button.main:text('Set up')")
        self.page.wait_for_url(f"{self.address}/sign-in")

    def sign_in(self) -> None:
        assert self.app is not None
        self.page.goto(f"{self.address}/sign-in")
        self.page.fill("#name", self.name)
        self.page.fill("#password", PASSWORD)
        self.page.fill("#code", self.app.code())
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(lambda url: not url.endswith("/sign-in"))

    def go(self, path: str) -> Any:
        """Open a page; its answer."""
        return self.page.goto(f"{self.address}{path}")

    def lead(self) -> None:
        """To the first page that the navigation names."""
        self.page.click("nav[aria-label=Pages] a >> nth=0")


def axe_script() -> str:
    """axe-core, to be run in a page."""
    return resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")


def broken_rules(page: Any, axe: str) -> list[tuple[str, str]]:
    """Rules of WCAG 2.2 AA that a machine can check and that the page breaks, with an element."""
    page.evaluate(axe)
    tags = "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']"
    found = page.evaluate(f"axe.run({{runOnly: {tags}}})")
    assert len(found["passes"]) > 5
    return [(one["id"], one["nodes"][0]["html"][:300]) for one in found["violations"]]
