"""People at the console during a soak: each signs in once, and opens pages at their own pace.

    python -m benchmarks.soak_people CONFIG.json

A process of its own; each page's time is a line of `pages.jsonl`. Ends on SIGTERM.
"""

import json
import random
import signal
import ssl
import sys
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from hauberk.console import totp

PASSWORD = "plaited mail of rings"  # noqa: S105  # of a console that lives as long as the soak
THINK_SECONDS = (2.0, 8.0)
SAME_SITE = {"sec-fetch-site": "same-origin"}


@dataclass(frozen=True)
class Config:
    """Where the console is, and who they are: names with the secrets of their apps in hex."""

    address: str
    ca: str
    out: str
    people: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> "Config":
        """From a file."""
        return cls(**json.loads(path.read_text()))


class Person(threading.Thread):
    """Somebody with a browser, until stopped."""

    def __init__(self, config: Config, name: str, secret: bytes, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._name, self._secret, self._stop_reading = name, secret, stop
        self._chance = random.Random(name)  # noqa: S311  # of pages, not of keys
        self._config = config
        self._log = (Path(config.out) / "pages.jsonl").open("a", buffering=1)
        context = ssl.create_default_context(cafile=config.ca)
        self._browser = httpx.Client(
            base_url=config.address, verify=context, follow_redirects=False, timeout=60
        )
        self._incidents: list[str] = []

    def run(self) -> None:
        """Sign in, then read."""
        while not self._stop_reading.is_set() and not self._signed_in():
            self._stop_reading.wait(2)
        while not self._stop_reading.wait(self._chance.uniform(*THINK_SECONDS)):
            page, path = self._next()
            text = self._timed(page, path)
            if page == "queue" and text:
                parts = text.split('href="/incidents/')[1:30]
                self._incidents = [one.split('"', 1)[0] for one in parts]

    def _next(self) -> tuple[str, str]:
        asked = self._chance.random()
        if asked < 0.4:
            return "queue", "/"
        if asked < 0.7 and self._incidents:
            return "incident", f"/incidents/{self._chance.choice(self._incidents)}"
        if asked < 0.85:
            return "hunt", "/hunt"
        return "health", "/health"

    def _timed(self, page: str, path: str) -> str:
        began = time.monotonic()
        said, text = "", ""
        try:
            answer = self._browser.get(path)
            status, text = answer.status_code, answer.text
            if status == 303 and "sign-in" in answer.headers.get("location", ""):
                said = "signed out"
                self._signed_in()
        except httpx.HTTPError as error:
            status, said = 0, type(error).__name__
        told = {"t": time.time(), "who": self._name, "page": page, "status": status,
                "seconds": round(time.monotonic() - began, 4), "said": said}  # fmt: skip
        self._log.write(json.dumps(told) + "\n")
        return text

    def _signed_in(self) -> bool:
        began = time.monotonic()
        try:
            form = self._browser.get("/sign-in").text
            code = totp.code_at(self._secret, totp.step_of(datetime.now(UTC)))
            fields = {"name": self._name, "password": PASSWORD, "code": code, "back": "/",
                      "csrf": form.split('name="csrf" value="', 1)[1].split('"', 1)[0]}  # fmt: skip
            answer = self._browser.post("/sign-in", data=fields, headers=SAME_SITE)
        except (httpx.HTTPError, IndexError):
            return False
        told = {"t": time.time(), "who": self._name, "page": "sign-in",
                "status": answer.status_code,
                "seconds": round(time.monotonic() - began, 4), "said": ""}  # fmt: skip
        self._log.write(json.dumps(told) + "\n")
        return answer.status_code == 303


def main() -> None:
    """Read until SIGTERM."""
    config = Config.read(Path(sys.argv[1]))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    everybody = [
        Person(config, name, bytes.fromhex(secret), stop) for name, secret in config.people.items()
    ]
    for one in everybody:
        one.start()
        stop.wait(0.3)
    stop.wait()
    for one in everybody:
        one.join(timeout=10)


if __name__ == "__main__":
    main()
