"""Single sign-on: whose account somebody has who signed in at a provider.

Somebody is issuer and subject, never a name or an address of mail. A provider makes accounts for
those whom a role is mapped to; it reaches an account that is there already only by a link of an
administrator.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from . import acts, challenges, lockout
from .accounts import (
    Account,
    Accounts,
    Refused,
    digest,
    find_account,
    keep_an_administrator,
    read_name,
)
from .database import Database, to_micros
from .oidc import OidcSettings, Provider, Said
from .permissions import Role
from .sealing import Seal
from .tables import accounts, identities, invitations

_NO_NAME = re.compile(r"[^a-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who an account is at a provider; `made` where the provider made the account."""

    account: str
    provider: str
    subject: str
    made: bool


class SignOn:
    """The providers of a console, and the accounts of those who come from them."""

    def __init__(
        self, database: Database, people: Accounts, seal: Seal, providers: Mapping[str, Provider]
    ) -> None:
        self._database = database
        self._people = people
        self._seal = seal
        self.providers = providers

    def provider(self, name: str) -> Provider:
        """A provider by its name. Raises Refused."""
        if name not in self.providers:
            raise Refused("There is no such sign-on.")
        return self.providers[name]

    def identities(self) -> list[Identity]:
        """Everybody who is somebody at a provider, by account."""
        with self._database.read() as connection:
            rows = connection.execute(select(identities).order_by(identities.c.account))
            return [
                Identity(row.account, row.provider, row.subject, bool(row.made)) for row in rows
            ]

    def begin(
        self, name: str, redirect: str, holder: str, address: str, now: datetime,
        *, back: str = "/", invitation: str = "",
    ) -> str:  # fmt: skip
        """Where the browser goes to sign in. Raises Refused.

        With an invitation, whoever signs in gets its account.
        """
        if invitation and not self._people.invitation(invitation, now).name:
            raise Refused("The first administrator has a password here, for when a provider fails.")
        begun = self.provider(name).begin(redirect, now)
        body = {
            "nonce": begun.nonce, "verifier": begun.verifier, "redirect": redirect, "back": back,
            "invitation": invitation,
        }  # fmt: skip
        sealed = self._seal.close(json.dumps(body).encode())
        with self._database.write() as connection:
            challenges.keep(connection, begun.state, f"oidc:{name}", holder, address, now, sealed)
        return begun.url

    def finish(
        self, name: str, answer: Mapping[str, str], holder: str, address: str, now: datetime
    ) -> tuple[Account, str]:
        """The account of who signed in, and where they wanted to go. Raises Refused."""
        with self._database.read() as connection:
            pause = lockout.wait(connection, "", address, now)
        if pause > timedelta(0):
            raise Refused(f"Too many failed tries. Wait {int(pause.total_seconds()) + 1} seconds.")
        with self._database.write() as connection:
            sealed = challenges.take(
                connection, answer.get("state", ""), f"oidc:{name}", holder, now
            )
        if sealed is None:
            # Not counted: any page elsewhere can send a browser here with nothing begun.
            raise Refused("This sign-in was begun too long ago, or elsewhere. Begin again.")
        try:
            return self._finished(name, answer, sealed, address, now)
        except Refused:
            with self._database.write() as connection:
                if lockout.failed(connection, "", address, now):
                    acts.enter(connection, now, "locked-out", "", address=address, means=name)
            raise

    def _finished(
        self, name: str, answer: Mapping[str, str], sealed: str, address: str, now: datetime
    ) -> tuple[Account, str]:
        provider = self.provider(name)
        begun = json.loads(self._seal.open(sealed))
        said = provider.finish(answer, begun["redirect"], begun["nonce"], begun["verifier"], now)
        try:
            with self._database.write() as connection:
                account = self._account(connection, provider.settings, said, begun, now)
                acts.enter(
                    connection, now, "signed-in", account.name, account=account.name,
                    address=address, means=f"oidc:{name}", subject=said.subject,
                )  # fmt: skip
        except Refused as refused:
            with self._database.write() as connection:
                acts.enter(
                    connection, now, "sign-on-refused", "", provider=name, subject=said.subject,
                    address=address, reason=str(refused),
                )  # fmt: skip
            raise
        return account, str(begun["back"])

    def _account(
        self,
        connection: Connection,
        settings: OidcSettings,
        said: Said,
        begun: Mapping[str, Any],  # as `begin` wrote it
        now: datetime,
    ) -> Account:
        _check_domain(settings, said)
        query = select(identities).where(
            identities.c.issuer == said.issuer, identities.c.subject == said.subject
        )
        row = connection.execute(query).first()
        if begun["invitation"]:
            if row is not None:
                raise Refused(f"You are {row.account} here already.")
            return self._linked(connection, settings, said, str(begun["invitation"]), now)
        if row is None:
            return self._made(connection, settings, said, now)
        account = find_account(connection, row.account)
        if account is None or account.disabled is not None:
            raise Refused("This account is disabled.")
        if row.made and settings.roles:
            roles = _roles(settings, said)
            if roles != account.roles:
                _give(connection, account.name, roles, f"oidc:{settings.name}", now)
        found = find_account(connection, row.account)
        assert found is not None
        return found

    def _linked(
        self,
        connection: Connection,
        settings: OidcSettings,
        said: Said,
        invitation: str,
        now: datetime,
    ) -> Account:
        """The account of an invitation, made where there is none, tied to who signed in."""
        invited = self._people.opened(connection, invitation, now)
        connection.execute(delete(invitations).where(invitations.c.token == digest(invitation)))
        account = find_account(connection, invited.name)
        if account is None:
            _make(connection, invited.name, invited.roles, settings, now)
        elif account.disabled is not None:
            raise Refused("This account is disabled.")
        connection.execute(
            delete(identities).where(
                identities.c.account == invited.name, identities.c.provider == settings.name
            )
        )
        _tie(connection, invited.name, settings, said, now, made=False)
        found = find_account(connection, invited.name)
        assert found is not None
        return found

    def _made(
        self, connection: Connection, settings: OidcSettings, said: Said, now: datetime
    ) -> Account:
        roles = _roles(settings, said)
        name = _name(said)
        pending = select(invitations.c.name).where(invitations.c.name == name)
        if find_account(connection, name) or connection.execute(pending).first():
            raise Refused(
                f"There is an account {name} here already. If it is yours, ask an administrator "
                "for a link to tie it to this sign-on."
            )
        _make(connection, name, roles, settings, now)
        _tie(connection, name, settings, said, now, made=True)
        found = find_account(connection, name)
        assert found is not None
        return found


def _check_domain(settings: OidcSettings, said: Said) -> None:
    if not settings.domains:
        return
    domain = said.text("email").rpartition("@")[2].casefold()
    if said.claims.get("email_verified") is not True or domain not in settings.domains:
        raise Refused("Your address of mail is not of a domain that may sign in here.")


def _roles(settings: OidcSettings, said: Said) -> tuple[Role, ...]:
    """The roles that are mapped to what the provider says of somebody. Raises Refused for none."""
    values = said.values(settings.claim)
    given = {role for value, roles in settings.roles.items() if value in values for role in roles}
    if not given and settings.others is not None:
        given = {settings.others}
    if not given:
        raise Refused("No role is for you here. Ask an administrator.")
    return tuple(role for role in Role if role in given)


def _name(said: Said) -> str:
    """A name for a new account: what the provider calls somebody, as names are here."""
    called = said.text("preferred_username") or said.text("email") or said.subject
    return read_name(_NO_NAME.sub("-", called.partition("@")[0].casefold())[:40].strip("._-"))


def _give(
    connection: Connection, name: str, roles: tuple[Role, ...], by: str, now: datetime
) -> None:
    values = {"roles": json.dumps(list(roles))}
    connection.execute(update(accounts).where(accounts.c.name == name).values(values))
    keep_an_administrator(connection)
    acts.enter(connection, now, "roles", by, account=name, roles=", ".join(roles))


def _make(
    connection: Connection,
    name: str,
    roles: tuple[Role, ...],
    settings: OidcSettings,
    now: datetime,
) -> None:
    connection.execute(
        insert(accounts).values(
            name=name, roles=json.dumps(list(roles)), password="", totp="", totp_step=0,
            created=to_micros(now),
        )
    )  # fmt: skip
    acts.enter(
        connection, now, "account-made", name, account=name, roles=", ".join(roles),
        means=f"oidc:{settings.name}",
    )  # fmt: skip


def _tie(
    connection: Connection, name: str, settings: OidcSettings, said: Said, now: datetime,
    *, made: bool,
) -> None:  # fmt: skip
    connection.execute(
        insert(identities).values(
            issuer=said.issuer, subject=said.subject, account=name, provider=settings.name,
            made=int(made), created=to_micros(now),
        )
    )  # fmt: skip
    acts.enter(
        connection, now, "identity-linked", name, account=name, provider=settings.name,
        issuer=said.issuer, subject=said.subject,
    )  # fmt: skip
