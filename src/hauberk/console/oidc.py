"""OpenID Connect: the authorization code flow with PKCE, as the relying party.

Sources: OpenID Connect Core 1.0 (3.1.3.7, checks of the ID token) and Discovery 1.0, RFC 7636
(PKCE), RFC 9207 (issuer in the answer), RFC 9700 (best practice). Nothing is asked of any host but
those that the settings name; answers are bounded in size and time, and no redirect is followed.
"""

import base64
import hashlib
import hmac
import http.client
import json
import secrets
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from joserfc import jwk, jwt
from joserfc.errors import JoseError

from hauberk.errors import UsageError
from hauberk.store import Table

from .accounts import Refused
from .asking import ask, usable
from .permissions import Role

ALGORITHMS = ("RS256", "ES256", "PS256", "EdDSA", "RS384", "RS512", "ES384", "PS384")
"""Signatures that are believed, unless the settings name fewer: no `none`, and no shared secret."""

SKEW = timedelta(seconds=60)
"""How far clocks may differ."""

MAX_AGE = timedelta(minutes=10)
"""How long ago an ID token may have been issued."""

KEPT = timedelta(hours=1)
"""How long what a provider says of itself is believed without asking again."""

AGAIN = timedelta(minutes=1)
"""How soon its keys are asked for again where one is not among them."""

_KEY_TYPES = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """`[identity.oidc.NAME]`, checked.

    `roles` are roles by value of `claim`; `others` says what becomes of people none is for.
    """

    name: str
    title: str
    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: Sequence[str]
    claim: str
    roles: Mapping[str, tuple[Role, ...]]
    others: Role | None
    domains: frozenset[str]
    hosts: frozenset[str]
    algorithms: Sequence[str]
    trust: ssl.SSLContext = field(repr=False)


def read_oidc(name: str, table: Table) -> OidcSettings:
    """Read `[identity.oidc.NAME]`. Raises UsageError naming line and what was expected."""
    table.only(
        "title", "issuer", "client_id", "client_secret", "scopes", "claim", "roles", "others",
        "domains", "hosts", "algorithms", "ca",
    )  # fmt: skip
    if not (name.isascii() and name.replace("-", "").replace("_", "").isalnum() and len(name) < 41):
        raise UsageError("a name has letters, digits, dashes", where=table.where())
    issuer = table.text("issuer", "an address: https://...")
    at = usable(issuer)
    if at is None or at.query:
        raise table.wrong("issuer", "an address https://HOST/..., without query")
    hosts = [one.casefold() for one in table.texts("hosts")]
    if not all((of := usable(f"https://{one}")) and of.netloc == one for one in hosts):
        raise table.wrong("hosts", "hosts, as HOST or HOST:PORT, without https:// and path")
    algorithms = table.texts("algorithms") or list(ALGORITHMS)
    if not set(algorithms) <= set(ALGORITHMS):
        raise table.wrong("algorithms", f"some of {', '.join(ALGORITHMS)}")
    others = table.text("others", default="refuse")
    if others not in ("refuse", Role.VIEWER.value):
        raise table.wrong("others", '"refuse" or "viewer"')
    scopes = table.texts("scopes") or ["openid", "profile", "email"]
    if "openid" not in scopes:
        raise table.wrong("scopes", '"openid" among them')
    return OidcSettings(
        name=name,
        title=table.text("title", default=name),
        issuer=issuer,
        client_id=table.text("client_id"),
        client_secret=table.secret("client_secret"),
        scopes=scopes,
        claim=table.text("claim", default="groups"),
        roles=_read_mapping(table.table("roles")),
        others=Role.VIEWER if others == Role.VIEWER.value else None,
        domains=frozenset(one.casefold() for one in table.texts("domains")),
        hosts=frozenset({at.netloc.casefold(), *hosts}),
        algorithms=algorithms,
        trust=_trust(table),
    )


def _read_mapping(table: Table) -> dict[str, tuple[Role, ...]]:
    mapping = {}
    for value in table.values:
        names = table.texts(value, "a list of roles")
        if not names or not set(names) <= set(Role):
            raise table.wrong(value, f"some of {', '.join(Role)}")
        mapping[value] = tuple(Role(one) for one in names)
    return mapping


def _trust(table: Table) -> ssl.SSLContext:
    """Whose certificates are believed: the system's, or those of `ca` and no others."""
    path = table.file_path("ca") if "ca" in table else None
    try:
        return ssl.create_default_context(cafile=None if path is None else str(path))
    except (OSError, ssl.SSLError) as error:
        raise table.wrong("ca", "a file of certificates (PEM)") from error


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that was begun: where the browser goes, and what its answer has to fit."""

    url: str
    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Said:
    """What a provider says of somebody, verified."""

    issuer: str
    subject: str
    claims: Mapping[str, Any]  # as the provider has them; whoever reads one checks its type

    def text(self, name: str) -> str:
        """A claim as text; empty where it is none."""
        value = self.claims.get(name)
        return value if isinstance(value, str) else ""

    def values(self, name: str) -> frozenset[str]:
        """A claim of several texts, or of one."""
        value = self.claims.get(name)
        several = value if isinstance(value, list) else [value]
        return frozenset(one for one in several if isinstance(one, str))


class Provider:
    """One provider of single sign-on, asked when somebody signs in."""

    def __init__(self, settings: OidcSettings) -> None:
        self.settings = settings
        self._turn = threading.Lock()
        self._metadata: Mapping[str, Any] = {}  # as the provider says it
        self._keys: Sequence[Mapping[str, Any]] = ()
        self._asked: datetime | None = None
        self._keys_asked: datetime | None = None

    def begin(self, redirect: str, now: datetime) -> Begun:
        """Begin a sign-in whose answer comes to `redirect`. Raises Refused."""
        metadata = self._known(now)
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        hashed = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect,
            "scope": " ".join(self.settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": base64.urlsafe_b64encode(hashed).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        at = str(metadata["authorization_endpoint"])
        return Begun(f"{at}{'&' if '?' in at else '?'}{urlencode(asked)}", state, nonce, verifier)

    def finish(
        self, answer: Mapping[str, str], redirect: str, nonce: str, verifier: str, now: datetime
    ) -> Said:
        """Who signed in, by the answer that came back. Raises Refused."""
        metadata = self._known(now)
        issuer = answer.get("iss")
        named = metadata.get("authorization_response_iss_parameter_supported") is True
        if (issuer is not None or named) and issuer != self.settings.issuer:
            raise Refused("This answer is another provider's.")
        if "error" in answer or not answer.get("code"):
            raise Refused(f"{self.settings.title} did not sign you in.")
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": redirect,
            "code_verifier": verifier,
        }
        headers = {}
        offered = metadata.get("token_endpoint_auth_methods_supported")
        if isinstance(offered, list) and "client_secret_basic" not in offered:
            form |= {
                "client_id": self.settings.client_id,
                "client_secret": self.settings.client_secret,
            }
        else:
            pair = f"{quote(self.settings.client_id, '')}:{quote(self.settings.client_secret, '')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        told = self._fetch(str(metadata["token_endpoint"]), form, headers)
        token = told.get("id_token")
        if not isinstance(token, str):
            raise Refused(f"{self.settings.title} did not say who you are.")
        return self._verified(token, nonce, now)

    def end_address(self, back: str) -> str:
        """Where somebody also signs out of the provider; empty where it has no such place."""
        at = self._metadata.get("end_session_endpoint")
        if not isinstance(at, str) or not self._allowed(at):
            return ""
        asked = {"client_id": self.settings.client_id, "post_logout_redirect_uri": back}
        return f"{at}{'&' if '?' in at else '?'}{urlencode(asked)}"

    def _verified(self, token: str, nonce: str, now: datetime) -> Said:
        try:
            return verified(token, self._keys_of(now), self.settings, nonce, now)
        except UnknownKey:
            keys = self._keys_of(now, anew=True)
        try:
            return verified(token, keys, self.settings, nonce, now)
        except UnknownKey as error:
            raise Refused(str(error)) from error

    def _known(self, now: datetime) -> Mapping[str, Any]:  # as the provider says it
        """What the provider says of itself."""
        with self._turn:
            if self._asked is not None and now - self._asked < KEPT:
                return self._metadata
            issuer = self.settings.issuer
            told = self._fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
            if told.get("issuer") != issuer:
                raise Refused(f"{self.settings.title} says that it is another issuer.")
            for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                if not self._allowed(told.get(name)):
                    raise Refused(
                        f"{self.settings.title} has its {name} at no https address of a host that "
                        "may be asked; the setting `hosts` names those beside its issuer's."
                    )
            methods = told.get("code_challenge_methods_supported")
            if isinstance(methods, list) and "S256" not in methods:
                raise Refused(f"{self.settings.title} does not know PKCE with S256.")
            self._metadata, self._asked = told, now
            return told

    def _keys_of(self, now: datetime, *, anew: bool = False) -> Sequence[Mapping[str, Any]]:
        """The provider's keys, asked for again where they are old, or one was not among them."""
        metadata = self._known(now)
        with self._turn:
            age = None if self._keys_asked is None else now - self._keys_asked
            if age is None or age >= (AGAIN if anew else KEPT):
                told = self._fetch(str(metadata["jwks_uri"])).get("keys")
                kept = told if isinstance(told, list) else []
                self._keys = [one for one in kept[:100] if isinstance(one, dict)]
                self._keys_asked = now
            return self._keys

    def _allowed(self, url: object) -> bool:
        at = usable(url)
        return at is not None and at.netloc.casefold() in self.settings.hosts

    def _fetch(
        self,
        url: str,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:  # as the provider says it
        """The JSON object at an address; a form is posted. Raises Refused."""
        if not self._allowed(url):
            raise Refused(f"{self.settings.title} names a host that is not among its own.")
        try:
            status, data = ask(url, self.settings.trust, form, headers)
            told = json.loads(data) if status == 200 else None
        except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
            raise Refused(
                f"{self.settings.title} cannot be reached, or is out of order."
            ) from error
        if 300 <= status < 400:
            raise Refused(f"{self.settings.title} redirects, which is not followed here.")
        if not isinstance(told, dict):
            raise Refused(f"{self.settings.title} refused this. Begin again.")
        return told


class UnknownKey(Exception):  # noqa: N818  # asked for again once, then refused
    """An ID token is signed with a key that the provider did not name."""


def verified(
    token: str,
    keys: Sequence[Mapping[str, Any]],  # of a JWKS, as the provider has it
    settings: OidcSettings,
    nonce: str,
    now: datetime,
) -> Said:
    """What an ID token says, where all of it holds. Raises Refused, UnknownKey."""
    header = _header(token)
    algorithm = header.get("alg")
    if algorithm not in settings.algorithms:
        raise Refused("The sign-on is signed in a way that is not believed.")
    key = _key(keys, str(algorithm), header.get("kid"))
    try:
        claims = jwt.decode(token, key, algorithms=[str(algorithm)]).claims
        rules = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=int(SKEW.total_seconds()),
            iss={"essential": True, "value": settings.issuer},
            aud={"essential": True, "value": settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
        )
        rules.validate(claims)
    except (JoseError, ValueError, TypeError, OverflowError) as error:
        raise Refused("The sign-on does not hold: begin again.") from error
    audience, party = claims["aud"], claims.get("azp")
    several = isinstance(audience, list) and len(audience) > 1
    old = now.timestamp() - claims["iat"] > (MAX_AGE + SKEW).total_seconds()
    subject = claims["sub"]
    if (
        not _same(claims.get("nonce"), nonce)
        or ((several or party is not None) and party != settings.client_id)
        or old
        or not (isinstance(subject, str) and 0 < len(subject) < 256)
    ):
        raise Refused("The sign-on does not hold: begin again.")
    return Said(settings.issuer, subject, claims)


def _same(given: object, expected: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(
        given.encode("utf-8", "replace"), expected.encode()
    )


def _header(token: str) -> dict[str, Any]:  # of strangers; only `alg` and `kid` are looked at
    try:
        part = token.split(".", 1)[0]
        header = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise Refused("The sign-on does not hold: begin again.")
    return header


def _key(keys: Sequence[Mapping[str, Any]], algorithm: str, kid: object) -> jwk.Key:
    """The key of an ID token among those of the provider: by its id, or the only one that fits."""
    fit = [
        one
        for one in keys
        if one.get("kty") == _KEY_TYPES[algorithm[:2]]
        and one.get("use", "sig") == "sig"
        and one.get("alg", algorithm) == algorithm
        and (kid is None or one.get("kid") == kid)
    ]
    if len(fit) != 1:
        raise UnknownKey("The sign-on is signed with a key that is not its provider's.")
    try:
        return jwk.import_key(dict(fit[0]))
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise Refused("The provider's key cannot be read.") from error
