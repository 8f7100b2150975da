"""Passkeys (WebAuthn level 2): a key in somebody's device that also checks that it is them.

A passkey signs in alone, as it is both factors: the device that has it and what unlocks that.
What browsers answer is checked by `webauthn`; what it has to fit is kept here, for one browser,
and taken once. A passkey works at the very origin at which it was registered.
"""

import ipaddress
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import webauthn
from sqlalchemy import Connection, delete, insert, select, update
from webauthn.helpers import bytes_to_base64url, parse_client_data_json
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from . import acts, challenges, lockout
from .accounts import Account, Refused, find_account
from .database import Database, from_micros, to_micros
from .sessions import Visitor
from .tables import accounts, identities, passkeys

MAX_PASSKEYS = 20
"""Passkeys of one person."""

MAX_TITLE = 80
ALGORITHMS = [
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
]
_REGISTER, _SIGN_IN = "passkey-register", "passkey-sign-in"
_SAME_WORDS = "This passkey is not known here, or its answer does not fit. Try again."


@dataclass(frozen=True, slots=True)
class Passkey:
    """A passkey, as its owner sees it."""

    uid: str
    title: str
    created: datetime
    used: datetime | None
    origin: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a browser is: the console's origin as it asked for it, and the address it is at."""

    host: str
    address: str

    @property
    def origin(self) -> str:
        """Scheme, name and port."""
        return f"https://{self.host}"

    @property
    def name(self) -> str:
        """The name without port: the id of the relying party. Raises Refused for an address."""
        name = self.host.rpartition(":")[0] or self.host
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            if "[" not in name:
                return name.casefold()
        raise Refused("Passkeys belong to a name. Open the console by its name, not by address.")


class Passkeys:
    """The passkeys of a console."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, account: str) -> list[Passkey]:
        """Somebody's passkeys, the oldest first."""
        query = select(passkeys).where(passkeys.c.account == account).order_by(passkeys.c.created)
        with self._database.read() as connection:
            return [_passkey(row) for row in connection.execute(query)]

    def ask_to_register(self, visitor: Visitor, place: Place, now: datetime) -> str:
        """Options for `navigator.credentials.create` (JSON). Raises Refused."""
        visitor.fresh(now)
        query = select(passkeys).where(passkeys.c.account == visitor.name)
        challenge = secrets.token_bytes(32)
        with self._database.write() as connection:
            rows = list(connection.execute(query))
            if len(rows) >= MAX_PASSKEYS:
                raise Refused(f"You have {MAX_PASSKEYS} passkeys. Remove some.")
            handle = rows[0].handle if rows else bytes_to_base64url(secrets.token_bytes(32))
            token = bytes_to_base64url(challenge)
            challenges.keep(
                connection, token, _REGISTER, visitor.session, place.address, now, handle
            )
        options = webauthn.generate_registration_options(
            rp_id=place.name,
            rp_name="Hauberk",
            user_name=visitor.name,
            user_id=webauthn.base64url_to_bytes(handle),
            challenge=challenge,
            timeout=challenges.LASTS // timedelta(milliseconds=1),
            exclude_credentials=[
                PublicKeyCredentialDescriptor(webauthn.base64url_to_bytes(row.credential))
                for row in rows
            ],
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            supported_pub_key_algs=ALGORITHMS,
        )
        return webauthn.options_to_json(options)

    def register(
        self, visitor: Visitor, title: str, answer: str, place: Place, now: datetime
    ) -> None:
        """Keep what the device made. Raises Refused."""
        visitor.fresh(now)
        title = title.strip()[:MAX_TITLE] or "Passkey"
        given = _read(answer)
        token = _challenge_of(given)
        with self._database.write() as connection:
            handle = challenges.take(connection, token, _REGISTER, visitor.session, now)
        if handle is None:
            raise Refused("This was asked too long ago, or elsewhere. Try again.")
        try:
            made = webauthn.verify_registration_response(
                credential=given,
                expected_challenge=webauthn.base64url_to_bytes(token),
                expected_rp_id=place.name,
                expected_origin=place.origin,
                require_user_verification=True,
                supported_pub_key_algs=ALGORITHMS,
            )
        except Exception as error:  # its parsers of CBOR and keys raise what they like
            raise Refused("What the device answered does not fit. Try again.") from error
        credential = bytes_to_base64url(made.credential_id)
        known = select(passkeys.c.uid).where(passkeys.c.credential == credential)
        with self._database.write() as connection:
            if connection.execute(known).first() is not None:
                raise Refused("This passkey is registered already.")
            uid = secrets.token_hex(8)
            connection.execute(
                insert(passkeys).values(
                    uid=uid, account=visitor.name, credential=credential,
                    public_key=bytes_to_base64url(made.credential_public_key),
                    counter=made.sign_count, handle=handle, origin=place.origin, title=title,
                    created=to_micros(now),
                )
            )  # fmt: skip
            acts.enter(
                connection, now, "passkey-added", visitor.name,
                account=visitor.name, passkey=uid, title=title,
            )  # fmt: skip

    def remove(self, visitor: Visitor, uid: str, now: datetime) -> None:
        """Take a passkey away. Raises Refused where it is gone, or is the last way to sign in."""
        with self._database.write() as connection:
            row = connection.execute(
                delete(passkeys)
                .where(passkeys.c.uid == uid, passkeys.c.account == visitor.name)
                .returning(passkeys)
            ).first()
            if row is None:
                raise Refused("This passkey is gone already.")
            if not _can_sign_in(connection, visitor.name):
                raise Refused("This is your last way to sign in. Add another one first.")
            acts.enter(
                connection, now, "passkey-removed", visitor.name,
                account=visitor.name, passkey=uid, title=row.title,
            )  # fmt: skip

    def ask_to_sign_in(self, holder: str, place: Place, now: datetime) -> str:
        """Options for `navigator.credentials.get` (JSON); the device says who. Raises Refused."""
        challenge = secrets.token_bytes(32)
        with self._database.write() as connection:
            token = bytes_to_base64url(challenge)
            challenges.keep(connection, token, _SIGN_IN, holder, place.address, now)
        options = webauthn.generate_authentication_options(
            rp_id=place.name,
            challenge=challenge,
            timeout=challenges.LASTS // timedelta(milliseconds=1),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return webauthn.options_to_json(options)

    def sign_in(self, holder: str, answer: str, place: Place, now: datetime) -> Account:
        """The account whose passkey answered. Raises Refused, in the same words whatever failed."""
        with self._database.read() as connection:
            pause = lockout.wait(connection, "", place.address, now)
        if pause > timedelta(0):
            raise Refused(f"Too many failed tries. Wait {int(pause.total_seconds()) + 1} seconds.")
        try:
            return self._signed_in(holder, _read(answer), place, now)
        except Refused:
            with self._database.write() as connection:
                if lockout.failed(connection, "", place.address, now):
                    acts.enter(
                        connection, now, "locked-out", "", address=place.address, means="passkey"
                    )
            raise

    def _signed_in(
        self,
        holder: str,
        given: dict[str, Any],  # as the browser sent it; the library checks it
        place: Place,
        now: datetime,
    ) -> Account:
        token = _challenge_of(given)
        with self._database.write() as connection:
            taken = challenges.take(connection, token, _SIGN_IN, holder, now)
        if taken is None:
            raise Refused(_SAME_WORDS)
        with self._database.write() as connection:
            # Checked inside the transaction: of two answers with one counter only one fits.
            row = connection.execute(
                select(passkeys).where(passkeys.c.credential == str(given.get("id")))
            ).first()
            if row is None or row.origin != place.origin:
                raise Refused(_SAME_WORDS)
            try:
                verified = webauthn.verify_authentication_response(
                    credential=given,
                    expected_challenge=webauthn.base64url_to_bytes(token),
                    expected_rp_id=place.name,
                    expected_origin=place.origin,
                    credential_public_key=webauthn.base64url_to_bytes(row.public_key),
                    credential_current_sign_count=row.counter,
                    require_user_verification=True,
                )
            except Exception as error:  # as in `register`
                raise Refused(_SAME_WORDS) from error
            answered = given.get("response", {}).get("userHandle")
            account = find_account(connection, row.account)
            if answered != row.handle or account is None or account.disabled is not None:
                raise Refused(_SAME_WORDS)
            values = {"counter": verified.new_sign_count, "used": to_micros(now)}
            connection.execute(update(passkeys).where(passkeys.c.uid == row.uid).values(values))
            acts.enter(
                connection, now, "signed-in", account.name,
                account=account.name, address=place.address, means="passkey", passkey=row.uid,
            )  # fmt: skip
            return account


def _can_sign_in(connection: Connection, name: str) -> bool:
    """Whether somebody still has a password, a passkey or an identity elsewhere."""
    password = connection.execute(
        select(accounts.c.password).where(accounts.c.name == name)
    ).scalar()
    others = (
        select(table.c.account).where(table.c.account == name).limit(1)
        for table in (passkeys, identities)
    )
    return bool(password) or any(connection.execute(one).first() is not None for one in others)


def _read(answer: str) -> dict[str, Any]:  # the library checks what is in it
    try:
        given = json.loads(answer)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict) or not isinstance(given.get("response"), dict):
        raise Refused(_SAME_WORDS)
    return given


def _challenge_of(given: dict[str, Any]) -> str:
    """The challenge that an answer says it is for."""
    try:
        data = webauthn.base64url_to_bytes(str(given["response"]["clientDataJSON"]))
        return bytes_to_base64url(parse_client_data_json(data).challenge)
    except (WebAuthnException, ValueError, TypeError, KeyError) as error:
        raise Refused(_SAME_WORDS) from error


def _passkey(row: Any) -> Passkey:  # a row has no static type in SQLAlchemy
    return Passkey(
        row.uid, row.title, from_micros(row.created),
        None if row.used is None else from_micros(row.used), row.origin,
    )  # fmt: skip
