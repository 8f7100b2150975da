"""Single sign-on against a provider that speaks the protocol over TLS, also a lying one."""

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwk, jwt
from starlette.testclient import TestClient
from tests.console.conftest import CHEAP
from tests.console.oidc_provider import CLIENT, SECRET, OidcProvider

from hauberk.console import Console, acts, application
from hauberk.console.permissions import Role
from hauberk.errors import UsageError

MAPPING = '[identity.oidc.corp.roles]\nsoc = ["analyst"]\nboard = ["risk_board"]\n'


@pytest.fixture
def provider(tmp_path: Path, clock: Any) -> Iterator[OidcProvider]:
    made = OidcProvider(tmp_path, clock)
    yield made
    made.stop()


@pytest.fixture
def settings(provider: OidcProvider, home: Path) -> Callable[..., None]:
    def write(mapping: str = MAPPING, **more: Any) -> None:
        (home / "hauberk.toml").write_text(provider.settings(**more) + mapping)
        (home / "hauberk.toml").chmod(0o600)

    write()
    return write


@pytest.fixture
def console(home: Path, clock: Any, settings: Callable[..., None]) -> Iterator[Console]:
    made = Console.of(home, clock=clock, cost=CHEAP)
    made.reading.look()
    yield made
    made.database.close()


def come(provider: OidcProvider, browser: TestClient, start: str = "/sign-in/with/corp") -> Any:
    """Sign in at the provider, and come back."""
    gone = browser.get(start)
    assert gone.status_code == 303, gone.text
    return browser.get(provider.authorize(gone.headers["location"]))


def people(console: Console) -> dict[str, tuple[Role, ...]]:
    return {one.name: one.roles for one in console.accounts.all()}


def last_act(console: Console) -> dict[str, Any]:
    with console.database.read() as connection:
        return dict(acts.latest(connection, 1)[0].body)


def test_who_has_a_mapped_role_gets_an_account_and_a_session(
    provider: OidcProvider, console: Console, browser: Callable[[], TestClient]
) -> None:
    provider.user["groups"] = ["soc", "other"]
    somebody = browser()
    back = come(provider, somebody, "/sign-in/with/corp?back=/detections")
    assert back.status_code == 303
    assert back.headers["location"] == "/detections"
    assert people(console) == {"grace": (Role.ANALYST,)}
    page = somebody.get("/account").text
    assert "You are known by Corp" in page
    assert "Change the password" not in page
    assert last_act(console)["means"] == "oidc:corp"


def test_roles_follow_the_provider_at_each_sign_in(
    provider: OidcProvider, console: Console, person: Callable[..., Any],
    browser: Callable[[], TestClient],
) -> None:  # fmt: skip
    person(Role.ADMINISTRATOR, name="boss")
    provider.user["groups"] = "soc"
    come(provider, browser())
    provider.user["groups"] = ["board"]
    come(provider, browser())
    assert people(console)["grace"] == (Role.RISK_BOARD,)
    provider.user["groups"] = []
    assert come(provider, browser()).status_code == 401


def test_others_are_refused_or_viewers_as_the_settings_say(
    provider: OidcProvider,
    settings: Callable[..., None],
    home: Path,
    clock: Any,
    console: Console,
    browser: Callable[[], TestClient],
) -> None:
    refused = come(provider, browser())
    assert refused.status_code == 401
    assert "No role is for you" in refused.text
    assert not people(console)
    settings(others="viewer")
    other = Console.of(home, clock=clock, cost=CHEAP)
    app = application(other, ["localhost"])
    viewer = TestClient(app, base_url="https://localhost", follow_redirects=False)
    assert come(provider, viewer).status_code == 303
    assert people(other) == {"grace": (Role.VIEWER,)}
    other.database.close()


def test_no_account_is_taken_over_by_an_equal_name_or_address(
    provider: OidcProvider, console: Console, person: Callable[..., Any],
    browser: Callable[[], TestClient],
) -> None:  # fmt: skip
    person(Role.ADMINISTRATOR, name="grace")
    provider.user |= {"groups": ["soc"], "email": "grace@corp.example", "email_verified": True}
    refused = come(provider, browser())
    assert refused.status_code == 401
    assert "ask an administrator" in refused.text
    assert people(console) == {"grace": (Role.ADMINISTRATOR,)}
    assert last_act(console)["type"] == "console.sign-on-refused"


def test_an_administrators_link_ties_an_account_to_who_signs_in(
    provider: OidcProvider, console: Console, person: Callable[..., Any], clock: Any,
    browser: Callable[[], TestClient],
) -> None:  # fmt: skip
    person(Role.RESPONDER, name="grace")
    link = console.accounts.renew("grace", "boss", clock())
    somebody = browser()
    page = somebody.get(f"/setup/{link}").text
    assert f"/sign-in/with/corp?invitation={link}" in page
    assert come(provider, somebody, f"/sign-in/with/corp?invitation={link}").status_code == 303
    assert people(console) == {"grace": (Role.RESPONDER,)}  # no mapping: the administrator's hold
    assert come(provider, browser()).status_code == 303
    assert somebody.get(f"/setup/{link}").status_code == 410
    new = console.accounts.invite("hedy", [Role.ANALYST], "boss", clock())
    again = come(provider, browser(), f"/sign-in/with/corp?invitation={new}")
    assert "You are grace here already" in again.text
    provider.user["sub"] = "u-2"
    assert come(provider, browser(), f"/sign-in/with/corp?invitation={new}").status_code == 303
    assert people(console)["hedy"] == (Role.ANALYST,)


def test_the_first_administrator_has_a_password(
    console: Console, clock: Any, browser: Callable[[], TestClient]
) -> None:
    link = console.accounts.first_link(clock())
    assert "with/corp" not in browser().get(f"/setup/{link}").text
    said = browser().get(f"/sign-in/with/corp?invitation={link}")
    assert said.status_code == 401


def _forged(**header: Any) -> Callable[[dict[str, Any]], str]:
    def made(claims: dict[str, Any]) -> str:
        parts = [json.dumps(one).encode() for one in ({"typ": "JWT", **header}, claims)]
        return ".".join(base64.urlsafe_b64encode(p).rstrip(b"=").decode() for p in parts) + "."

    return made


def _by_secret(claims: dict[str, Any]) -> str:
    key = jwk.OctKey.import_key(SECRET + "0" * 40)
    return jwt.encode({"alg": "HS256", "kid": "k1"}, claims, key, algorithms=["HS256"])


def _by_stranger(claims: dict[str, Any]) -> str:
    key = jwk.ECKey.generate_key("P-256")
    return jwt.encode({"alg": "ES256", "kid": "k1"}, claims, key)


def _by_unknown_key(claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "ES256", "kid": "k2"}, claims, jwk.ECKey.generate_key("P-256"))


def _with_key_inside(claims: dict[str, Any]) -> str:
    key = jwk.ECKey.generate_key("P-256")
    header = {"alg": "ES256", "jwk": key.as_dict(private=False)}
    return jwt.encode(header, claims, key)


NOW = 1772452800  # the clock's, when it has not been moved

LIES: dict[str, dict[str, Any]] = {
    "another nonce": {"claims": {"nonce": "x" * 43}},
    "no nonce": {"claims": {"nonce": None}},
    "another audience": {"claims": {"aud": "another-client"}},
    "one of several audiences, and not the party": {
        "claims": {"aud": [CLIENT, "other"], "azp": "other"}
    },
    "several audiences and no party": {"claims": {"aud": [CLIENT, "other"]}},
    "another issuer": {"claims": {"iss": "https://127.0.0.1/realms/evil"}},
    "expired": {"claims": {"exp": NOW - 61}},
    "without an end": {"claims": {"exp": None}},
    "an end that is not a number": {"claims": {"exp": "never"}},
    "issued long ago": {"claims": {"iat": NOW - 3600}},
    "issued in the future": {"claims": {"iat": NOW + 120}},
    "not valid yet": {"claims": {"nbf": NOW + 120}},
    "no subject": {"claims": {"sub": ""}},
    "a subject that is a list": {"claims": {"sub": ["u-1"]}},
    "a subject without end": {"claims": {"sub": "u" * 256}},
    "no signature": {"token": _forged(alg="none")},
    "no signature, said otherwise": {"token": _forged(alg="None", kid="k1")},
    "an algorithm and no signature": {"token": _forged(alg="ES256", kid="k1")},
    "signed with the client's secret": {"token": _by_secret},
    "signed by a stranger under a known key's id": {"token": _by_stranger},
    "signed with a key that is not named": {"token": _by_unknown_key},
    "signed with a key that it brings along": {"token": _with_key_inside},
    "no token": {"token": lambda _: "x.y"},
    "another provider's answer": {"answer": {"iss": "https://evil.example"}},
    "no issuer in the answer": {"answer": {"iss": None}},
    "a made-up code": {"answer": {"code": "made-up"}},
    "no code": {"answer": {"code": None, "error": "access_denied"}},
    "a state that was not begun": {"answer": {"state": "x" * 43}},
    "no state": {"answer": {"state": None}},
}


@pytest.mark.parametrize("lie", LIES)
def test_what_does_not_hold_signs_nobody_in(
    lie: str, provider: OidcProvider, console: Console, browser: Callable[[], TestClient]
) -> None:
    provider.user["groups"] = ["soc"]
    somebody = browser()
    gone = somebody.get("/sign-in/with/corp")
    provider.wrong = LIES[lie]
    refused = somebody.get(provider.authorize(gone.headers["location"]))
    assert refused.status_code == 401
    assert "__Host-hauberk=" not in refused.headers["set-cookie"]
    assert somebody.get("/account").status_code == 303
    assert not people(console)
    provider.wrong = {}
    assert come(provider, browser()).status_code == 303  # and it was for that alone


def test_a_provider_that_lies_of_itself_is_not_asked_on(
    provider: OidcProvider, browser: Callable[[], TestClient]
) -> None:
    for wrong in (
        {"metadata": {"issuer": "https://127.0.0.1/other"}},
        {"metadata": {"token_endpoint": "https://169.254.169.254/latest"}},
        {"metadata": {"jwks_uri": "http://127.0.0.1/keys"}},
        {"metadata": {"authorization_endpoint": "javascript:alert(1)"}},
        {"metadata": {"authorization_endpoint": provider.issuer.replace("https://", "https://x@")}},
        {"metadata": {"code_challenge_methods_supported": ["plain"]}},
        {"metadata": {"jwks_uri": None}},
        {"metadata": {"end_session_endpoint": 7, "token_endpoint": ["https://127.0.0.1/"]}},
        {"body": b"[" * 100_000},
        {"body": b" " * 300_000 + b"{}"},
        {"body": b"[]"},
    ):
        provider.wrong = wrong
        assert browser().get("/sign-in/with/corp").status_code == 401, wrong
    assert {one.rpartition("/")[2] for one in provider.asked} == {"openid-configuration"}


ELSEWHERE: tuple[object, ...] = (
    "file:///etc/passwd", "http://HOST/keys", "https://169.254.169.254/latest/meta-data",
    "https://[::1]/keys", "https://localhost/keys", "https://127.0.0.1/keys",
    "https://HOST@evil.example/", "https://evil.example@HOST/", "https://HOST\\@evil.example/",
    "https://HOST.evil.example/", "https://HOST:0/", "https://HOST:99999/", "//HOST/keys",
    "https://HOST/#keys", "https://HOST/ke ys", "https://HOST/\nkeys", "https://HO\u0455T/keys",
    "gopher://HOST/", "jar:https://HOST/", "data:application/json,{}", "", None, {}, 7,
)  # fmt: skip
"""Where no endpoint may be; HOST is the provider's own host and port."""


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
def test_no_endpoint_is_elsewhere_than_at_hosts_that_may_be_asked(
    name: str, provider: OidcProvider, browser: Callable[[], TestClient]
) -> None:
    own = provider.issuer.removeprefix("https://").partition("/")[0]
    somebody = browser()
    for at in ELSEWHERE:
        where = at.replace("HOST", own) if isinstance(at, str) else at
        provider.wrong = {"metadata": {name: where}}
        answer = somebody.get("/sign-in/with/corp")
        assert answer.status_code == 401, at
        assert f"Corp has its {name} at no https address of a host" in answer.text, at
    assert {one.rpartition("/")[2] for one in provider.asked} == {"openid-configuration"}
    provider.wrong = {}
    assert somebody.get("/sign-in/with/corp").status_code == 303


def test_nobody_signs_out_at_a_place_that_may_not_be_asked(
    provider: OidcProvider, console: Console, browser: Callable[[], TestClient]
) -> None:
    provider.user["groups"] = ["soc"]
    provider.wrong = {"metadata": {"end_session_endpoint": "https://evil.example/end"}}
    come(provider, browser())
    assert console.sign_on.providers["corp"].end_address("https://localhost/sign-in") == ""


@pytest.mark.parametrize("at", ["openid-configuration", "token", "keys"])
def test_no_redirect_is_followed_not_even_to_the_provider_itself(
    at: str, provider: OidcProvider, browser: Callable[[], TestClient]
) -> None:
    provider.user["groups"] = ["soc"]
    for where in ("https://169.254.169.254/", f"{provider.issuer}/elsewhere", "/elsewhere"):
        provider.wrong = {"redirect": where, "only": at}
        somebody = browser()
        begun = somebody.get("/sign-in/with/corp")
        refused = begun
        if begun.status_code == 303:
            refused = somebody.get(provider.authorize(begun.headers["location"]))
        assert refused.status_code == 401
        assert "redirects, which is not followed" in refused.text
    assert provider.asked[-1].endswith(at)
    assert not [one for one in provider.asked if "elsewhere" in one]


def test_who_says_that_it_is_another_issuer_is_told_of(
    provider: OidcProvider, browser: Callable[[], TestClient]
) -> None:
    for issuer in (f"{provider.issuer}/", provider.issuer.upper(), "https://evil.example", None):
        provider.wrong = {"metadata": {"issuer": issuer}}
        assert "says that it is another issuer" in browser().get("/sign-in/with/corp").text


@pytest.mark.parametrize(
    "begun",
    [b"", b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.0 200 OK\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n"],
)  # fmt: skip
def test_an_answer_that_drips_is_hung_up_on(
    begun: bytes, provider: OidcProvider, browser: Callable[[], TestClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("hauberk.console.asking.SECONDS", 1.0)
    provider.wrong = {"slow": begun or b"H"}
    assert "cannot be reached" in browser().get("/sign-in/with/corp").text
    assert "listened to the end" not in provider.asked


def test_an_answer_is_taken_once_in_the_browser_that_began_and_not_late(
    provider: OidcProvider, console: Console, clock: Any, browser: Callable[[], TestClient]
) -> None:
    provider.user["groups"] = ["soc"]
    mine, other = browser(), browser()
    answer = provider.authorize(mine.get("/sign-in/with/corp").headers["location"])
    assert other.get(answer).status_code == 401  # and with that it is used up
    assert mine.get(answer).status_code == 401
    answer = provider.authorize(mine.get("/sign-in/with/corp").headers["location"])
    clock.move(minutes=5)
    assert mine.get(answer).status_code == 401
    answer = provider.authorize(mine.get("/sign-in/with/corp").headers["location"])
    assert mine.get(answer).status_code == 303
    asked = len(provider.asked)
    assert mine.get(answer).status_code == 401
    assert len(provider.asked) == asked
    assert list(people(console)) == ["grace"]


def test_no_other_site_begins_a_sign_in_or_makes_anybody_wait(
    provider: OidcProvider, browser: Callable[[], TestClient]
) -> None:
    provider.user["groups"] = ["soc"]
    somebody = browser()
    for site in ("cross-site", "same-site"):
        sent = somebody.get("/sign-in/with/corp", headers={"sec-fetch-site": site})
        assert sent.status_code == 403
    for _ in range(40):
        assert somebody.get("/sign-in/with/corp/back?state=x&code=y").status_code == 401
    assert come(provider, somebody).status_code == 303


def test_new_keys_of_a_provider_are_found_and_not_asked_for_each_time(
    provider: OidcProvider, clock: Any, browser: Callable[[], TestClient]
) -> None:
    provider.user["groups"] = ["soc"]
    assert come(provider, browser()).status_code == 303
    new = jwk.ECKey.generate_key("P-256", {"kid": "k2", "use": "sig"}, auto_kid=False)
    provider.wrong = {
        "token": lambda claims: jwt.encode({"alg": "ES256", "kid": "k2"}, claims, new)
    }
    clock.move(minutes=2)
    provider.keys.append(new)
    assert come(provider, browser()).status_code == 303
    provider.wrong = {"token": _by_unknown_key}
    provider.keys = [provider.key]
    before = provider.asked.count("/realms/corp/keys")
    for _ in range(3):
        come(provider, browser())
    assert provider.asked.count("/realms/corp/keys") == before


def test_a_certificate_that_nobody_vouches_for_ends_it(
    provider: OidcProvider, settings: Callable[..., None], home: Path, clock: Any
) -> None:
    settings()
    text = (home / "hauberk.toml").read_text()
    text = "\n".join(one for one in text.splitlines() if not one.startswith("ca ="))
    (home / "hauberk.toml").write_text(text)
    console = Console.of(home, clock=clock, cost=CHEAP)
    app = application(console, ["localhost"])
    somebody = TestClient(app, base_url="https://localhost", follow_redirects=False)
    refused = somebody.get("/sign-in/with/corp")
    assert "cannot be reached" in refused.text
    assert not provider.asked
    console.database.close()


def test_domains_are_of_verified_addresses(
    provider: OidcProvider, settings: Callable[..., None], home: Path, clock: Any
) -> None:
    settings(domains=["corp.example"])
    console = Console.of(home, clock=clock, cost=CHEAP)
    app = application(console, ["localhost"])
    for email, verified, right in (
        ("g@corp.example", True, True),
        ("g@CORP.example", True, True),
        ("g@corp.example", False, False),
        ("g@corp.example", "true", False),
        ("g@evil.example", True, False),
        ("g@evil.example@corp.example.evil", True, False),
        (None, True, False),
    ):
        provider.user |= {"groups": ["soc"], "email": email, "email_verified": verified}
        somebody = TestClient(app, base_url="https://localhost", follow_redirects=False)
        assert (come(provider, somebody).status_code == 303) is right, email
    console.database.close()


def test_who_is_disabled_stays_out_and_who_signs_out_may_also_do_so_there(
    provider: OidcProvider, console: Console, person: Callable[..., Any], clock: Any,
    browser: Callable[[], TestClient],
) -> None:  # fmt: skip
    person(Role.ADMINISTRATOR)
    provider.user["groups"] = ["soc"]
    somebody = browser()
    come(provider, somebody)
    csrf = somebody.get("/account").text.split('name="csrf" value="')[1].split('"')[0]
    out = somebody.post("/sign-out", data={"csrf": csrf}, headers={"sec-fetch-site": "same-origin"})
    link = out.text.split('class="button" href="')[1].split('"')[0]
    assert link.startswith(f"{provider.issuer}/end?client_id={CLIENT}&amp;post_logout")
    assert somebody.get("/account").status_code == 303
    console.accounts.disable("grace", "boss", clock())
    refused = come(provider, browser())
    assert refused.status_code == 401
    assert "disabled" in refused.text


def test_nothing_of_a_password_works_for_an_account_that_has_none(
    provider: OidcProvider, console: Console, clock: Any, browser: Callable[[], TestClient]
) -> None:
    provider.user["groups"] = ["soc"]
    come(provider, browser())
    from hauberk.console.accounts import Refused  # noqa: PLC0415

    for password in ("", "a password that nobody has"):
        with pytest.raises(Refused):
            console.accounts.sign_in("grace", password, "000000", "10.0.0.1", clock())


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"issuer": "http://127.0.0.1"}, "https://"),
        ({"issuer": "https://127.0.0.1/?a=b"}, "https://"),
        ({"issuer": "https://127.0.0.1:x/"}, "https://"),
        ({"issuer": "https://127.0.0.1:99999/"}, "https://"),
        ({"issuer": "https://me:you@127.0.0.1/"}, "https://"),
        ({"hosts": ["https://keys.example"]}, "HOST:PORT"),
        ({"hosts": ["keys.example/path"]}, "HOST:PORT"),
        ({"hosts": ["keys.example:x"]}, "HOST:PORT"),
        ({"hosts": [":443"]}, "HOST:PORT"),
        ({"algorithms": ["none"]}, "RS256"),
        ({"algorithms": ["HS256"]}, "RS256"),
        ({"others": "administrator"}, "viewer"),
        ({"scopes": ["email"]}, "openid"),
        ({"isuer": "x"}, "issuer"),
        ({"ca": "/no/such/file"}, "PEM"),
        ({"client_secret": ""}, "secret"),
    ],
)
def test_settings_that_are_wrong_are_refused_with_their_line(
    more: dict[str, Any], said: str, settings: Callable[..., None], home: Path
) -> None:
    settings(**more)
    with pytest.raises(UsageError) as caught:
        Console.of(home, cost=CHEAP)
    assert said in str(caught.value) + str(caught.value.hint)
    assert "hauberk.toml" in str(caught.value.where)
    settings('[identity.oidc.corp.roles]\nsoc = ["king"]\n')
    with pytest.raises(UsageError):
        Console.of(home, cost=CHEAP)


def test_the_secret_of_the_client_is_shown_nowhere(
    console: Console, person: Callable[..., Any], home: Path
) -> None:
    boss = person(Role.ADMINISTRATOR)
    page = boss.browser.get("/settings").text
    assert "Corp" in page
    assert SECRET not in page
    assert SECRET not in repr(console.sign_on.providers["corp"].settings)
