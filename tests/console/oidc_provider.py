"""A provider of OpenID Connect for tests: discovery, keys, codes with PKCE, ID tokens, over TLS.

It does what Core 1.0 and RFC 7636 say of a provider, and wrongly where `wrong` says so.
"""

import base64
import contextlib
import hashlib
import ipaddress
import json
import secrets
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jwk, jwt

CLIENT, SECRET = "hauberk-console", "a secret: of the client/+"


class OidcProvider:
    """A provider that listens on loopback; `user` are the claims of who signs in next."""

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.ca = folder / "provider.pem"
        self.user: dict[str, Any] = {"sub": "u-1", "preferred_username": "grace"}
        self.wrong: dict[str, Any] = {}
        self.asked: list[str] = []
        self.keys = [jwk.ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"}, auto_kid=False)]
        self.key = self.keys[0]
        self._codes: dict[str, dict[str, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_certificate(self.ca))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.issuer = f"https://127.0.0.1:{self._server.server_address[1]}/realms/corp"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def settings(self, **more: Any) -> str:
        """`[identity.oidc.corp]` for this provider."""
        values = {
            "issuer": self.issuer, "client_id": CLIENT, "client_secret": SECRET,
            "ca": str(self.ca), "title": "Corp",
        }  # fmt: skip
        lines = [f"{name} = {json.dumps(value)}" for name, value in {**values, **more}.items()]
        return "\n".join(["[identity.oidc.corp]", *lines, ""])

    def authorize(self, url: str) -> str:
        """What a browser does there: somebody signs in, and is sent back; where to."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"{self.issuer}/authorize?")
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert asked["client_id"] == CLIENT
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": self.issuer}
        answer |= self.wrong.get("answer", {})
        kept = {name: value for name, value in answer.items() if value is not None}
        return f"{asked['redirect_uri']}?{urlencode(kept)}"

    def metadata(self) -> dict[str, Any]:
        """What it says of itself."""
        told: dict[str, Any] = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "end_session_endpoint": f"{self.issuer}/end",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        told.update(self.wrong.get("metadata", {}))
        return told

    def exchange(self, form: dict[str, str], authorization: str) -> dict[str, Any] | None:
        """An ID token for a code, once, where client, address and verifier are the right ones."""
        asked = self._codes.pop(form.get("code", ""), None)
        pair = f"{CLIENT}:{'a%20secret%3A%20of%20the%20client%2F%2B'}"
        expected = f"Basic {base64.b64encode(pair.encode()).decode()}"
        hashed = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()
        if (
            asked is None
            or authorization != expected
            or form["redirect_uri"] != asked["redirect_uri"]
            or challenge != asked["code_challenge"]
        ):
            return None
        return {"access_token": "x", "token_type": "Bearer", "id_token": self.id_token(asked)}

    def id_token(self, asked: dict[str, str]) -> str:
        """The token, as Core says, but for what `wrong` says."""
        now = int(self.clock().timestamp())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "exp": now + 300, "iat": now,
            "nonce": asked["nonce"], **self.user, **self.wrong.get("claims", {}),
        }  # fmt: skip
        kept = {name: value for name, value in claims.items() if value is not None}
        if "token" in self.wrong:
            made: str = self.wrong["token"](kept)
            return made
        return jwt.encode({"alg": "ES256", "kid": "k1"}, kept, self.key)

    def jwks(self) -> dict[str, Any]:
        """Its keys, without what is private in them."""
        return {"keys": [one.as_dict(private=False) for one in self.keys]}


def _handler(provider: OidcProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _send(self, told: dict[str, Any] | None) -> None:
            provider.asked.append(self.path)
            only = self.path.endswith(provider.wrong.get("only", ""))
            redirect = provider.wrong.get("redirect") if only else None
            if provider.wrong.get("slow"):
                self._drip()
                return
            self.send_response(302 if redirect else 200 if told is not None else 400)
            if redirect:
                self.send_header("Location", redirect)
            self.end_headers()
            body = json.dumps(told if told is not None else {"error": "invalid_grant"})
            self.wfile.write(provider.wrong.get("body", body.encode()))

        def _drip(self) -> None:
            """Begin an answer, and send a little of it again and again until nobody listens."""
            with contextlib.suppress(OSError):
                self.wfile.write(provider.wrong["slow"])
                for _ in range(1200):
                    time.sleep(0.1)
                    self.wfile.write(b" ")
                provider.asked.append("listened to the end")

        def do_GET(self) -> None:
            pages = {
                "/realms/corp/.well-known/openid-configuration": provider.metadata,
                "/realms/corp/keys": provider.jwks,
            }
            page = pages.get(self.path)
            self._send(page() if page else None)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._send(provider.exchange(form, self.headers.get("authorization", "")))

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _certificate(path: Path) -> Path:
    """A certificate for loopback that signs itself; key and certificate are in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    whole = path.with_name("provider-key.pem")
    public = made.public_bytes(serialization.Encoding.PEM)
    path.write_bytes(public)
    whole.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + public
    )
    return whole
