"""A passkey in Chromium, with a device that the browser plays: added, used, named, removed.

Skipped where there is no Chromium, or no Playwright to drive it.
"""

import time

import pytest
from tests.console.test_browser import (
    CHROMIUM,
    OFFLINE,
    PASSWORD,
    accessible,
    code,
    served,
    sync_api,
)

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="there is no chromium on this machine"),
    pytest.mark.slow,
]
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}

__all__ = ["served"]


def test_a_passkey_is_added_signs_in_alone_and_only_with_its_person(
    served: tuple[str, str],  # the fixture
) -> None:
    address, link = served
    said: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OFFLINE)
        context = browser.new_context(ignore_https_errors=True)
        page = context.new_page()
        page.on("console", lambda one: said.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda one: said.append(str(one)))
        page.goto(link)
        secret = page.inner_text(".secret code")
        used = code(secret)
        for name, value in (
            ("name", "ada"), ("password", PASSWORD), ("again", PASSWORD), ("code", used),
        ):  # fmt: skip
            page.fill(f"#{name}", value)
        page.click("text=Set up")
        page.wait_for_url(f"{address}/sign-in")
        while code(secret) == used:  # no code is taken twice
            time.sleep(0.2)
        for name, value in (("name", "ada"), ("password", PASSWORD), ("code", code(secret))):
            page.fill(f"#{name}", value)
        page.keyboard.press("Enter")
        page.wait_for_selector("#live")

        devices = context.new_cdp_session(page)
        devices.send("WebAuthn.enable")
        made = devices.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
        device = {"authenticatorId": made["authenticatorId"]}
        page.goto(f"{address}/account")
        page.fill("#title", "this laptop")
        page.click("text=Add a passkey")
        page.wait_for_selector("text=The passkey is added")
        [kept] = devices.send("WebAuthn.getCredentials", device)["credentials"]
        assert kept["isResidentCredential"]
        assert kept["rpId"] == "localhost"
        page.click("text=Add a passkey")
        page.wait_for_selector("text=This device has a passkey of yours already")

        page.click("text=Sign out")
        page.wait_for_url(f"{address}/sign-in")
        accessible(page)
        devices.send("WebAuthn.setUserVerified", {**device, "isUserVerified": False})
        page.click("text=Sign in with a passkey")
        page.wait_for_selector("text=No passkey was given")
        devices.send("WebAuthn.setUserVerified", {**device, "isUserVerified": True})
        page.click("text=Sign in with a passkey")
        page.wait_for_selector("#live")
        page.set_viewport_size({"width": 320, "height": 800})
        for path in ("account", "account/tokens", "settings", "people"):
            page.goto(f"{address}/{path}")
            assert page.evaluate("document.documentElement.scrollWidth") <= 320, path
            accessible(page)
        page.goto(f"{address}/account")
        page.click("text=Remove")
        page.wait_for_selector("text=The passkey is removed")
        browser.close()
    assert not said
