"""Two people in two browsers approve a model, raise it beside a running watch, and roll it back.

A real console process, a real watch, and Chromium with keys that WebCrypto made.
"""

import json
import os
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hauberk.console import Console, totp
from hauberk.console.passwords import Cost
from hauberk.console.permissions import Role
from hauberk.governance import adopt_policy, default_policy, read_policy
from hauberk.models import Occurrence, Stage, enter, read_registry, verify_models
from hauberk.store import Home, verify

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")

CHROMIUM = os.environ.get("HAUBERK_CHROMIUM") or shutil.which("chromium")
pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="there is no chromium on this machine"),
    pytest.mark.slow,
]
MODELS = Path(__file__).parent.parent / "models"
Office: Any = runpy.run_path(str(MODELS / "office.py"))["Office"]
browsing: Any = runpy.run_path(str(Path(__file__).with_name("test_browser.py")))
accessible: Callable[[Any], None] = browsing["accessible"]
PASSWORD = str(browsing["PASSWORD"])
COMMAND = [sys.executable, "-c", "from hauberk.cli import main; main()"]
ALL_DAY = {
    'days = ["mon", "tue", "wed", "thu", "fri"]':
        'days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]',
    'from = "07:00"': 'from = "00:00"',
    'until = "17:00"': 'until = "23:59"',
}  # fmt: skip


@pytest.fixture
def office(tmp_path: Path) -> Any:
    """A home with a signed candidate and a policy that promotes at any hour; it is closed."""
    made = Office.open(tmp_path / "office")
    text = default_policy().text
    for was, now in ALL_DAY.items():
        assert was in text
        text = text.replace(was, now)
    with made.home as home:
        made.people().signing_key()
        signers = [made.keys["sam"], made.keys["cem"]]
        policy = read_policy(text)
        now = made.clock()
        body = adopt_policy(home.origin, now, policy, default_policy().digest, signers)
        enter(home, body, Occurrence("adopt", now))
        made.signed()
    return made


@pytest.fixture
def home(office: Any) -> Path:
    return Path(office.folder / "home")


@pytest.fixture
def secrets_of(home: Path) -> dict[str, bytes]:
    """Accounts of sam and pia, each with the secret of their app."""
    console, now = Console.of(home, cost=Cost(1, 8, 1)), datetime.now(UTC)
    roles = {
        "sam": (Role.RISK_BOARD, Role.MODEL_OWNER), "pia": (Role.APPROVER, Role.RESPONDER),
    }  # fmt: skip
    found = {}
    for name, given in {"root": (Role.ADMINISTRATOR,), **roles}.items():
        token = console.accounts.invite(name, given, "test", now)
        secret = console.accounts.invitation(token, now).secret
        before = totp.code_at(secret, totp.step_of(now) - 1)
        console.accounts.accept(token, "", PASSWORD, PASSWORD, before, (), now)
        found[name] = secret
    console.handover.hand_over()
    console.database.close()
    return found


@pytest.fixture
def address(secrets_of: dict[str, bytes], home: Path) -> Iterator[str]:
    """A console that runs."""
    with browsing["socket"].socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = ["console", "--home", str(home), "--listen", f"127.0.0.1:{port}"]
    with subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(300):
                with browsing["socket"].socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield f"https://localhost:{port}"
        finally:
            process.terminate()


def sign_in(page: Any, address: str, name: str, secret: bytes) -> None:
    page.goto(f"{address}/sign-in")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.fill("#code", totp.code_at(secret, totp.step_of(datetime.now(UTC))))
    page.keyboard.press("Enter")
    page.wait_for_selector("#live")


def until(met: Callable[[], bool], seconds: float = 30) -> float:
    """Wait until it is so; how long that took."""
    began = time.monotonic()
    while not met():
        assert time.monotonic() - began < seconds
        time.sleep(0.1)
    return time.monotonic() - began


def registry_of(home: Path) -> Any:
    with Home.open(home, read_only=True) as opened:
        return read_registry(opened)


def stands(home: Path, uid: str, stage: Stage) -> bool:
    return bool(registry_of(home).versions[uid].stage is stage)


def test_two_people_approve_raise_and_roll_back_a_model(
    address: str, secrets_of: dict[str, bytes], office: Any, home: Path, tmp_path: Path
) -> None:
    uid = registry_of(home).named("tiny-domains").artifact
    where, said = f"{address}/models/versions/{uid}", []
    with ExitStack() as stack:
        playwright = stack.enter_context(sync_api.sync_playwright())
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=browsing["OFFLINE"])
        stack.callback(browser.close)
        pages = {}
        for name in ("sam", "pia"):
            page = browser.new_context(ignore_https_errors=True).new_page()
            page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
            page.on("pageerror", lambda one: said.append(str(one)))
            sign_in(page, address, name, secrets_of[name])
            pages[name] = page

        for name, page in pages.items():
            page.goto(f"{address}/account/signing-key")
            page.click("#make-key")
            page.wait_for_selector("#offer:not([hidden])")
            accessible(page)
            assert page.evaluate(EXPORTED) == "not extractable"
            key = page.inner_text("#key-id")
            page.click("#offer button")
            page.wait_for_selector(f"text=You offer the key {key}")
            if name == "sam":
                # The first key of a browser is added by the command line, with a key in a file.
                (tmp_path / "sam.pub").write_text(page.inner_text("#key-public"))
                run("people", "key", "sam", "--public-key", str(tmp_path / "sam.pub"), "--as",
                    "sam", "--key", str(office.folder / "keys" / "sam.pem"), home=home)  # fmt: skip
            else:
                sam = pages["sam"]
                sam.goto(f"{address}/models/people")
                accessible(sam)
                sam.click("text=Add this key of pia")
                sam.wait_for_selector("#sign:not([hidden])")
                accessible(sam)
                sam.click("#sign")
                sam.wait_for_url(f"{address}/models/people")
                until(lambda: len(registry_of(home).authority.people["pia"].keys) == 2)

        for name, page in pages.items():
            page.goto(where)
            accessible(page)
            page.fill("#comment", f"read by {name}")
            page.click("button:text-is('Vote')")
            page.wait_for_selector("#sign:not([hidden])")
            assert "Approve tiny-domains@1.0.0" in page.inner_text("h1")
            assert page.evaluate("document.documentElement.scrollWidth") <= 1280
            page.click("#sign")
            page.wait_for_url(where)
        until(lambda: len(registry_of(home).versions[uid].votes) == 2)
        pages["sam"].reload()
        assert "Granted by sam, pia" in pages["sam"].inner_text("main")

        (tmp_path / "logs").mkdir()
        watch = stack.enter_context(
            subprocess.Popen(
                [*COMMAND, "watch", str(tmp_path / "logs"), "--home", str(home)],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip
        stack.callback(watch.terminate)
        until((home / "owner").exists, 120)
        for stage in (Stage.SHADOW, Stage.CANARY, Stage.LIVE):
            page = pages["sam"]
            page.goto(where)
            page.click(f"button:text-is('Promote to {stage}')")
            page.wait_for_selector("#sign:not([hidden])")
            page.click("#sign")
            page.wait_for_url(where)
            until(partial(stands, home, uid, stage), 120)

        page = pages["pia"]
        page.goto(f"{address}/models")
        accessible(page)
        page.fill("#why-domain", "too loud")
        page.click("text=Roll back domain")
        took = until(partial(stands, home, uid, Stage.RETIRED))
        assert took < 8  # 1 to 3 s by itself; others use this machine as well
        page.wait_for_url(f"{address}/models")
        page.reload()
        assert "Rules alone" in page.inner_text("main")

        # A key that nobody added signs, and is refused.
        stranger = browser.new_context(ignore_https_errors=True).new_page()
        time.sleep(31)  # no code is taken twice
        sign_in(stranger, address, "pia", secrets_of["pia"])
        stranger.goto(f"{address}/account/signing-key")
        stranger.click("#make-key")
        stranger.wait_for_selector("#offer:not([hidden])")
        stranger.goto(where)
        stranger.click("button:text-is('Vote')")
        stranger.wait_for_selector("text=does not know the key")
        assert stranger.locator("#sign").is_hidden()
        stranger.set_viewport_size({"width": 320, "height": 800})
        for path in ("/models", f"/models/versions/{uid}", "/models/policy", "/models/people",
                     "/account/signing-key"):  # fmt: skip
            stranger.goto(address + path)
            assert stranger.evaluate("document.documentElement.scrollWidth") <= 320, path
            accessible(stranger)
    registry = registry_of(home)
    assert not registry.faults
    assert [one.person for one in registry.versions[uid].votes] == ["sam", "pia"]
    browser_keys = {registry.authority.people[name].keys[1].uid for name in pages}
    assert {one.signature.key for one in registry.versions[uid].votes} == browser_keys
    assert verify_models(home, verify(home)).ok
    verified = json.loads(run("models", "verify", "tiny-domains", "--json", home=home))
    assert [one["check"] for one in verified["refused_by"]] == []
    assert not [one for one in said if "htmx:" not in one]


EXPORTED = """async () => {
  const opening = indexedDB.open("hauberk-signing", 1);
  const database = await new Promise((done) => (opening.onsuccess = () => done(opening.result)));
  const getting = database.transaction("keys").objectStore("keys").getAll();
  const [pair] = await new Promise((done) => (getting.onsuccess = () => done(getting.result)));
  try {
    await crypto.subtle.exportKey("pkcs8", pair.privateKey);
    return "exported";
  } catch {
    return "not extractable";
  }
}"""


def run(*words: str, home: Path) -> str:
    """What a command of Hauberk's prints; the console's acts may hold the home for a moment."""
    for _ in range(40):
        done = subprocess.run(
            [*COMMAND, *words, "--home", str(home)], capture_output=True, text=True, check=False
        )
        if done.returncode != 4:
            break
        time.sleep(0.25)
    assert done.returncode in (0, 8), done.stderr
    return done.stdout
