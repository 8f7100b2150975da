"""Pictures of the console for docs/images: each page light, dark and narrow.

    python docs/screenshots.py [--out DIR] [--only NAME ...]

The logs are those of `hauberk emulate --seed 7 --users 12 --campaign ransomware`, so that they are
the same each time; what people do is written here. Needs Chromium, Playwright and Pillow.
"""

import argparse
import base64
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from hauberk.console import totp

CHROMIUM = os.environ.get("HAUBERK_CHROMIUM") or shutil.which("chromium")
OFFLINE = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]
PASSWORD = "plaited mail of rings"  # noqa: S105  # of a console that lives for a minute
IMAGES = Path(__file__).parent / "images"
MOST_BYTES = 120_000
HUNT = (
    "SELECT device.hostname AS host, count(*) AS programs, count(DISTINCT process.name) AS names\n"
    "FROM process_activity GROUP BY ALL ORDER BY programs DESC LIMIT 8"
)


def main() -> None:
    """Make the home, serve it, and take the pictures."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--out", type=Path, default=IMAGES)
    asked.add_argument("--only", nargs="*", default=[])
    given = asked.parse_args()
    # Where it lies is in the pictures, so it lies at the same place each time.
    folder = Path(tempfile.gettempdir()) / "company"
    folder.mkdir()
    try:
        hauberk("emulate", "--out", folder / "week", "--seed", 7, "--users", 12,
                "--campaign", "ransomware")  # fmt: skip
        hauberk("scan", folder / "week" / "logs", "--home", folder / "home")
        take(folder / "home", given.out, given.only)
    finally:
        shutil.rmtree(folder)


def hauberk(*arguments: object) -> None:
    """Run a command; 10 says that incidents were found."""
    command = [sys.executable, "-m", "hauberk.cli", *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True)  # noqa: S603
    if done.returncode not in (0, 10):
        raise SystemExit(done.stderr.decode())


def take(home: Path, out: Path, only: list[str]) -> None:
    """All pictures of a home."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [sys.executable, "-m", "hauberk.cli", "console"]
    server = subprocess.Popen(  # noqa: S603
        [*command, "--home", str(home), "--listen", listen], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        link = next(line.strip() for line in server.stdout if "/setup/" in line)
        time.sleep(2)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OFFLINE)
            context = browser.new_context(
                ignore_https_errors=True, reduced_motion="reduce", timezone_id="UTC"
            )
            context.set_default_timeout(90_000)
            page = context.new_page()
            pictures = Pictures(page, link.partition("/setup/")[0], out, only)
            pictures.walk(link)
            browser.close()
    finally:
        server.terminate()
        server.wait()


class Pictures:
    """Goes through the console as its first administrator."""

    def __init__(self, page: Any, address: str, out: Path, only: list[str]) -> None:
        self._page = page
        self._address = address
        self._out = out
        self._only = only

    def walk(self, link: str) -> None:
        """From the first link through every page."""
        page = self._page
        page.goto(link)
        self.shoot("setup")
        secret = page.inner_text(".secret code")
        key = base64.b32decode(secret + "=" * (-len(secret) % 8))
        step = totp.step_of(datetime.now(UTC))
        page.fill("#name", "ada")
        for field in ("#password", "#again"):
            page.fill(field, PASSWORD)
        page.fill("#code", totp.code_at(key, step))
        page.click("button.main:text('Set up')")
        page.wait_for_url("**/sign-in")
        self.shoot("sign-in")
        page.fill("#name", "ada")
        page.fill("#password", PASSWORD)
        page.fill("#code", totp.code_at(key, step + 1))
        page.keyboard.press("Enter")
        page.wait_for_selector("nav[aria-label=Pages]")
        self._invite("bo", "analyst")
        self._invite("cy", "risk_board")
        for name, path in page.eval_on_selector_all(
            "nav[aria-label=Pages] a",
            "all => all.map(a => [a.innerText, a.getAttribute('href')])",
        ):
            if path not in ("/hunt", "/people", "/audit"):
                self._open(path)
                self.shoot("-".join(name.lower().split()))
        self._incident()
        self._open("/detections?here=fired")
        self._follow("table [data-stop] >> nth=0", "rule")
        for path in ("/detections/coverage", "/detections/suppressions", "/account"):
            self._open(path)
            self.shoot(path.rpartition("/")[2])
        self._open("/hunt")
        page.fill("#sql", HUNT)
        page.keyboard.press("Control+Enter")
        page.wait_for_selector("table.grid")
        self.shoot("hunt")
        for path in ("/people", "/audit"):
            self._open(path)
            self.shoot(path[1:])

    def _open(self, path: str) -> None:
        self._page.goto(f"{self._address}{path}")
        self._page.wait_for_selector("#live:text-is('live')")

    def _follow(self, link: str, name: str) -> None:
        self._page.click(link)
        self._page.wait_for_load_state()
        self._page.wait_for_selector("#live:text-is('live')")
        self.shoot(name)

    def _invite(self, name: str, role: str) -> None:
        self._open("/people")
        self._page.fill("#name", name)
        self._page.check(f"fieldset input[value={role}] >> nth=-1")
        self._page.click("text=Make a link")
        self._page.wait_for_selector(".notice code")

    def _incident(self) -> None:
        page = self._page
        self._open("/")
        page.click("#queue [data-stop] >> nth=0")
        page.wait_for_selector("#comment")
        page.fill("#comment", "The host is off the network since 14:20. Asked its user: not them.")
        page.click("form[action$=comment] button")
        page.wait_for_selector(".history li")
        page.wait_for_timeout(5000)  # until the ledger has it
        page.reload()
        page.wait_for_selector("#live:text-is('live')")
        self.shoot("incident")
        page.evaluate("document.querySelector('.timeline').scrollIntoView()")
        page.click(".timeline [data-stop] >> nth=0")
        page.wait_for_selector(".events .raw summary")
        page.click(".events .raw summary >> nth=0")
        page.evaluate("document.querySelector('.timeline').scrollIntoView()")
        self.shoot("evidence", stay=True)

    def shoot(self, name: str, *, stay: bool = False) -> None:
        """Three pictures of what is shown."""
        if self._only and name not in self._only:
            return
        page = self._page
        for look, theme, width in (("light", "light", 1280), ("dark", "dark", 1280),
                                   ("narrow", "light", 400)):  # fmt: skip
            page.set_viewport_size({"width": width, "height": 900 if width > 400 else 800})
            page.emulate_media(color_scheme=theme)
            if stay:
                page.evaluate("document.querySelector('.timeline').scrollIntoView()")
            else:
                page.evaluate("scrollTo(0, 0)")
            page.wait_for_timeout(300)
            self._keep(name, look, page.screenshot())
        page.set_viewport_size({"width": 1280, "height": 900})
        page.emulate_media(color_scheme="light")

    def _keep(self, name: str, look: str, data: bytes) -> None:
        picture = Image.open(io.BytesIO(data)).convert("RGB")
        colours, kept = 256, b""
        while not kept or (len(kept) > MOST_BYTES and colours > 16):
            made = io.BytesIO()
            few = picture.quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
            few.save(made, "PNG", optimize=True)
            kept, colours = made.getvalue(), colours // 2
        (self._out / f"console-{name}-{look}.png").write_bytes(kept)


if __name__ == "__main__":
    main()
