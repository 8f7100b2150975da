"""Passkeys: an authenticator made of a key in this file, and what must not work with it."""

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.testclient import TestClient

from hauberk.console import Console
from hauberk.console.permissions import Role

SAME_SITE = {"sec-fetch-site": "same-origin"}
UP, UV, AT = 0x01, 0x04, 0x40


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Device:
    """An authenticator with one credential (WebAuthn level 2, section 6)."""

    uid: bytes = b"credential-1"
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    counter: int = 0
    handle: str = ""

    def _data(self, kind: str, asked: dict[str, Any], origin: str, flags: int, rp: str) -> Any:
        client = json.dumps(
            {"type": kind, "challenge": asked["challenge"], "origin": origin, "crossOrigin": False}
        ).encode()
        self.counter += 1
        authenticator = hashlib.sha256(rp.encode()).digest() + bytes([flags])
        return client, authenticator + self.counter.to_bytes(4, "big")

    def create(
        self, asked: dict[str, Any], origin: str = "https://localhost", flags: int = UP | UV
    ) -> str:
        client, data = self._data("webauthn.create", asked, origin, flags | AT, asked["rp"]["id"])
        point = self.key.public_key().public_numbers()
        public = cbor2.dumps(
            {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32, "big"), -3: point.y.to_bytes(32, "big")}
        )
        data += bytes(16) + len(self.uid).to_bytes(2, "big") + self.uid + public
        made = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        self.handle = asked["user"]["id"]
        return self._answer({"clientDataJSON": b64(client), "attestationObject": b64(made)})

    def get(
        self, asked: dict[str, Any], origin: str = "https://localhost", flags: int = UP | UV,
        rp: str = "localhost", **changed: Any,
    ) -> str:  # fmt: skip
        client, data = self._data("webauthn.get", asked, origin, flags, rp)
        signed = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        answer = {
            "clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signed),
            "userHandle": self.handle,
        }  # fmt: skip
        return self._answer({**answer, **changed})

    def _answer(self, response: dict[str, Any]) -> str:
        uid = b64(self.uid)
        whole = {"id": uid, "rawId": uid, "type": "public-key", "response": response}
        return json.dumps({**whole, "clientExtensionResults": {}})


def register(somebody: Any, device: Device, **how: Any) -> Any:
    asked = somebody.post("/account/passkeys/options")
    assert asked.status_code == 200, asked.text
    answer = device.create(asked.json(), **how)
    return somebody.post("/account/passkeys", title="my key", credential=answer)


def asks(browser: TestClient) -> tuple[str, dict[str, Any]]:
    """The form's token, and what the browser asks its device for."""
    page = browser.get("/sign-in").text
    csrf = page.split('name="csrf" value="')[1].split('"')[0]
    asked = browser.post("/sign-in/passkey/options", headers={**SAME_SITE, "x-csrf-token": csrf})
    assert asked.status_code == 200
    return csrf, asked.json()


def send(browser: TestClient, csrf: str, answer: str) -> Any:
    fields = {"csrf": csrf, "credential": answer, "back": "/account"}
    return browser.post("/sign-in/passkey", data=fields, headers=SAME_SITE)


def test_a_passkey_signs_in_alone(
    person: Callable[..., Any], browser: Callable[[], TestClient], console: Console
) -> None:
    analyst, device = person(Role.ANALYST), Device()
    assert register(analyst, device).status_code == 200
    stranger = browser()
    csrf, asked = asks(stranger)
    assert asked["userVerification"] == "required"
    assert not asked.get("allowCredentials")  # the device says who
    signed_in = send(stranger, csrf, device.get(asked))
    assert signed_in.status_code == 303
    assert signed_in.headers["location"] == "/account"
    assert "passkey" in stranger.get("/account").text.split("Where you are signed in")[1]
    assert console.passkeys.of("analyst")[0].used is not None


def test_what_a_device_is_asked_for(person: Callable[..., Any]) -> None:
    analyst = person(Role.ANALYST)
    first = analyst.post("/account/passkeys/options").json()
    assert first["rp"] == {"name": "Hauberk", "id": "localhost"}
    assert first["authenticatorSelection"]["residentKey"] == "required"
    assert first["authenticatorSelection"]["userVerification"] == "required"
    assert "analyst" not in base64.urlsafe_b64decode(first["user"]["id"] + "==").decode("latin-1")
    register(analyst, Device())
    second = analyst.post("/account/passkeys/options").json()
    assert second["challenge"] != first["challenge"]
    assert [one["id"] for one in second["excludeCredentials"]] == [b64(b"credential-1")]


@pytest.mark.parametrize(
    "how",
    [
        {"flags": UP},
        {"flags": UV},
        {"origin": "https://localhost:9999"},
        {"origin": "http://localhost"},
        {"origin": "https://evil.example"},
    ],
)
def test_what_was_made_elsewhere_or_without_its_person_is_not_kept(
    how: dict[str, Any], person: Callable[..., Any], console: Console
) -> None:
    analyst = person(Role.ANALYST)
    assert register(analyst, Device(), **how).status_code == 409
    assert not console.passkeys.of("analyst")


@pytest.mark.parametrize(
    "how",
    [
        {"flags": UP},
        {"flags": UV},
        {"origin": "https://localhost:9999"},
        {"origin": "https://evil.example"},
        {"rp": "evil.example"},
        {"userHandle": b64(b"somebody else")},
        {"userHandle": None},
        {"signature": b64(b"x" * 70)},
        {"signature": "not base64 ä"},
        {"authenticatorData": b64(b"")},
        {"authenticatorData": b64(b"\xff" * 40)},
        {"clientDataJSON": b64(b"{}")},
        {"clientDataJSON": 7},
    ],
)
def test_an_answer_that_does_not_fit_signs_nobody_in(
    how: dict[str, Any], person: Callable[..., Any], browser: Callable[[], TestClient]
) -> None:
    device = Device()
    register(person(Role.ANALYST), device)
    stranger = browser()
    csrf, asked = asks(stranger)
    refused = send(stranger, csrf, device.get(asked, **how))
    assert refused.status_code == 401
    assert stranger.get("/account").status_code == 303


def test_an_answer_is_taken_once_in_its_browser_and_not_late(
    person: Callable[..., Any], browser: Callable[[], TestClient], clock: Any
) -> None:
    device = Device()
    register(person(Role.ANALYST), device)
    mine, other = browser(), browser()
    csrf, asked = asks(mine)
    answer = device.get(asked)
    theirs, _ = asks(other)
    assert send(other, theirs, answer).status_code == 401  # and with that it is used up
    assert send(mine, csrf, answer).status_code == 401
    csrf, asked = asks(mine)
    answer = device.get(asked)
    assert send(mine, csrf, answer).status_code == 303
    mine.cookies.delete("__Host-hauberk")
    assert send(mine, csrf, answer).status_code == 401
    csrf, asked = asks(mine)
    clock.move(minutes=5)
    assert send(mine, csrf, device.get(asked)).status_code == 401


def test_a_copied_device_is_known_by_its_counter(
    person: Callable[..., Any], browser: Callable[[], TestClient]
) -> None:
    device = Device()
    register(person(Role.ANALYST), device)
    copy = Device(device.uid, device.key, device.counter, device.handle)
    for _ in range(3):
        mine = browser()
        csrf, asked = asks(mine)
        assert send(mine, csrf, device.get(asked)).status_code == 303
    stranger = browser()
    csrf, asked = asks(stranger)
    assert send(stranger, csrf, copy.get(asked)).status_code == 401


def test_a_passkey_of_somebody_disabled_or_removed_signs_nobody_in(
    person: Callable[..., Any], browser: Callable[[], TestClient], console: Console, clock: Any
) -> None:
    person(Role.ADMINISTRATOR)
    analyst, device, stranger = person(Role.ANALYST), Device(), browser()
    register(analyst, device)
    console.accounts.disable("analyst", "boss", clock())
    csrf, asked = asks(stranger)
    assert send(stranger, csrf, device.get(asked)).status_code == 401
    console.accounts.disable("analyst", "boss", clock(), disabled=False)
    clock.move(seconds=31)
    assert analyst.sign_in().status_code == 303
    uid = console.passkeys.of("analyst")[0].uid
    assert analyst.post(f"/account/passkeys/{uid}/remove").status_code == 200
    csrf, asked = asks(stranger)
    assert send(stranger, csrf, device.get(asked)).status_code == 401
    assert analyst.post(f"/account/passkeys/{uid}/remove").status_code == 409


def test_nobody_removes_anothers_passkey_nor_takes_anothers_challenge(
    person: Callable[..., Any], console: Console
) -> None:
    analyst, viewer = person(Role.ANALYST), person(Role.VIEWER)
    register(analyst, Device())
    uid = console.passkeys.of("analyst")[0].uid
    assert viewer.post(f"/account/passkeys/{uid}/remove").status_code == 409
    asked = analyst.post("/account/passkeys/options").json()
    answer = Device(b"credential-2").create(asked)
    assert viewer.post("/account/passkeys", credential=answer).status_code == 409
    assert not console.passkeys.of("viewer")
    # The same credential is nobody else's.
    assert register(viewer, Device()).status_code == 409


def test_the_last_way_to_sign_in_is_never_removed(
    person: Callable[..., Any], console: Console
) -> None:
    analyst = person(Role.ANALYST)
    register(analyst, Device())
    with console.database.write() as connection:  # as single sign-on makes accounts
        connection.exec_driver_sql("UPDATE accounts SET password = ''")
    uid = console.passkeys.of("analyst")[0].uid
    refused = analyst.post(f"/account/passkeys/{uid}/remove")
    assert refused.status_code == 409
    assert "last way to sign in" in refused.text
    assert console.passkeys.of("analyst")


def test_an_address_has_no_passkeys(console: Console, clock: Any) -> None:
    from hauberk.console.accounts import Refused  # noqa: PLC0415
    from hauberk.console.passkeys import Place  # noqa: PLC0415

    for host in ("127.0.0.1:8443", "127.0.0.1", "[::1]:8443", "[::1]"):
        with pytest.raises(Refused, match="by its name"):
            console.passkeys.ask_to_sign_in("x", Place(host, "10.0.0.1"), clock())
    assert Place("Console.example:8443", "").name == "console.example"


def test_strangers_cannot_begin_without_end(browser: Callable[[], TestClient], clock: Any) -> None:
    stranger = browser()
    csrf = stranger.get("/sign-in").text.split('name="csrf" value="')[1].split('"')[0]
    headers = {**SAME_SITE, "x-csrf-token": csrf}
    said = [stranger.post("/sign-in/passkey/options", headers=headers).status_code
            for _ in range(102)]  # fmt: skip
    assert said == [200] * 100 + [409] * 2
    clock.move(minutes=5)
    assert stranger.post("/sign-in/passkey/options", headers=headers).status_code == 200


@pytest.mark.parametrize("answer", ["", "[]", "{}", '{"response": {}}', "[" * 4000, "null"])
def test_what_is_no_answer_is_refused_in_words(
    answer: str, browser: Callable[[], TestClient]
) -> None:
    stranger = browser()
    csrf, _ = asks(stranger)
    assert send(stranger, csrf, answer).status_code == 401
