"""Accounts: who may sign in, with which roles; made and renewed by one-time links."""

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from . import acts, lockout, passwords, totp
from .database import Database, from_micros, to_micros
from .passwords import Passwords
from .permissions import Permission, Role, permissions_of
from .sealing import Seal
from .tables import accounts, invitations, passkeys, sessions, tokens

LINK_LASTS = timedelta(hours=24)
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,38}[a-z0-9])?")


class Refused(Exception):  # noqa: N818  # a sentence for the person who asked
    """What was asked for cannot be; the text says why."""


@dataclass(frozen=True, slots=True)
class Account:
    """A person who may sign in."""

    name: str
    roles: tuple[Role, ...]
    created: datetime
    disabled: datetime | None
    has_password: bool = True

    @property
    def permissions(self) -> frozenset[Permission]:
        """What they may do."""
        return permissions_of(self.roles)


@dataclass(frozen=True, slots=True)
class Invitation:
    """A one-time link that was opened: whose it is, and the secret for their app."""

    name: str
    roles: tuple[Role, ...]
    secret: bytes


def digest(token: str) -> str:
    """How tokens are stored: whoever reads the database cannot use them."""
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def read_name(text: str) -> str:
    """A name as accounts have it. Raises Refused."""
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise Refused("A name has up to 40 letters, digits, dots, dashes and underscores.")
    return name


def read_roles(names: Iterable[str]) -> tuple[Role, ...]:
    """Roles by name, in the order of the table. Raises Refused for none and for unknown ones."""
    given = set(names)
    if not given or not given <= set(Role):
        raise Refused("Choose at least one of the roles.")
    return tuple(role for role in Role if role in given)


class Accounts:
    """Accounts and invitations of a console."""

    def __init__(self, database: Database, hasher: Passwords, seal: Seal) -> None:
        self._database = database
        self._passwords = hasher
        self._seal = seal

    def all(self) -> list[Account]:
        """Everybody, by name."""
        with self._database.read() as connection:
            return [_account(row) for row in connection.execute(select(accounts).order_by("name"))]

    def first_link(self, now: datetime) -> str | None:
        """A token that makes the first administrator; None where there are accounts.

        A token that was made before no longer works.
        """
        with self._database.write() as connection:
            if connection.execute(select(accounts.c.name).limit(1)).first() is not None:
                return None
            connection.execute(delete(invitations).where(invitations.c.name == ""))
            return self._invite(connection, "", (Role.ADMINISTRATOR,), now)

    def invite(self, name: str, roles: Sequence[Role], by: str, now: datetime) -> str:
        """A token by which a new person sets password and app. Raises Refused for a known name."""
        with self._database.write() as connection:
            if find_account(connection, name) is not None:
                raise Refused(f"There is an account {name} already.")
            connection.execute(delete(invitations).where(invitations.c.name == name))
            acts.enter(connection, now, "invited", by, account=name, roles=", ".join(roles))
            return self._invite(connection, name, roles, now)

    def renew(self, name: str, by: str, now: datetime) -> str:
        """A token by which somebody sets password and app anew; the old ones hold until then."""
        with self._database.write() as connection:
            account = _found(connection, name)
            connection.execute(delete(invitations).where(invitations.c.name == name))
            acts.enter(connection, now, "renewal", by, account=name)
            return self._invite(connection, name, account.roles, now)

    def _invite(
        self, connection: Connection, name: str, roles: Sequence[Role], now: datetime
    ) -> str:
        token = secrets.token_urlsafe(32)
        connection.execute(
            insert(invitations).values(
                token=digest(token),
                name=name,
                roles=json.dumps(list(roles)),
                totp=self._seal.close(totp.new_secret()),
                expires=to_micros(now + LINK_LASTS),
            )
        )
        return token

    def invitation(self, token: str, now: datetime) -> Invitation:
        """What a link is for. Raises Refused where it was used, has expired or never was."""
        with self._database.read() as connection:
            return self.opened(connection, token, now)

    def opened(self, connection: Connection, token: str, now: datetime) -> Invitation:
        """As `invitation`, in a transaction of the caller."""
        query = select(invitations).where(invitations.c.token == digest(token))
        row = connection.execute(query).first()
        if row is None or from_micros(row.expires) <= now:
            raise Refused("This link was used, or has expired. Ask for another.")
        return Invitation(row.name, _roles(row.roles), self._seal.open(row.totp))

    def accept(
        self,
        token: str,
        name: str,
        password: str,
        again: str,
        code: str,
        also: Sequence[Role],
        now: datetime,
    ) -> Account:
        """Set password and app by a link, once. Raises Refused, and the link stays good.

        `name` and `also` (further roles) count for the first administrator alone.
        """
        invited = self.invitation(token, now)
        first = not invited.name
        name = read_name(name) if first else invited.name
        if fault := passwords.fault_of(password, again, name):
            raise Refused(fault)
        step = totp.matching_step(invited.secret, code, now, after=0)
        if step is None:
            raise Refused("The code is not the one that your app should show now.")
        hashed = self._passwords.hashed(password)
        with self._database.write() as connection:
            invited = self.opened(connection, token, now)  # nobody was faster
            connection.execute(delete(invitations).where(invitations.c.token == digest(token)))
            known = find_account(connection, name)
            roles = (*invited.roles, *also) if first else invited.roles
            values = {
                "password": hashed,
                "totp": self._seal.close(invited.secret),
                "totp_step": step,
            }
            if known is None:
                connection.execute(
                    insert(accounts).values(
                        name=name,
                        roles=json.dumps(list(dict.fromkeys(roles))),
                        created=to_micros(now),
                        **values,
                    )
                )
            else:
                connection.execute(update(accounts).where(accounts.c.name == name).values(values))
                # Whoever else had got in goes: a new link is what one asks for after a theft.
                end_sessions(connection, name)
                connection.execute(delete(passkeys).where(passkeys.c.account == name))
                connection.execute(delete(tokens).where(tokens.c.account == name))
            kind = "account-made" if known is None else "account-renewed"
            said = ", ".join(known.roles if known else roles)
            acts.enter(connection, now, kind, name, account=name, roles=said)
            return _found(connection, name)

    def sign_in(self, name: str, password: str, code: str, address: str, now: datetime) -> Account:
        """The account of who knows all three. Raises Refused, in the same words whatever failed."""
        name = name.strip().lower()[:64]
        with self._database.read() as connection:
            pause = lockout.wait(connection, name, address, now)
            row = connection.execute(select(accounts).where(accounts.c.name == name)).first()
        if pause > timedelta(0):
            raise Refused(f"Too many failed tries. Wait {int(pause.total_seconds()) + 1} seconds.")
        knows = self._passwords.holds(None if row is None else row.password, password)
        with self._database.write() as connection:
            # Read again: two requests with one code run side by side.
            row = connection.execute(select(accounts).where(accounts.c.name == name)).first()
            step = None
            if row is not None and row.disabled is None and knows:
                step = totp.matching_step(self._seal.open(row.totp), code, now, row.totp_step)
            if row is not None and step is not None:
                connection.execute(
                    update(accounts).where(accounts.c.name == name).values(totp_step=step)
                )
                lockout.succeeded(connection, name, address)
                acts.enter(
                    connection, now, "signed-in", name,
                    account=name, address=address, means="password",
                )  # fmt: skip
                return _account(row)
            if lockout.failed(connection, name, address, now) and row is not None:
                acts.enter(connection, now, "locked-out", "", account=name, address=address)
        raise Refused("Name, password and code do not belong together.")

    def change_password(
        self, name: str, password: str, code: str, new: str, again: str, *,
        session: str, address: str, now: datetime,
    ) -> None:  # fmt: skip
        """Change one's own password; other sessions end. Raises Refused.

        A wrong password or code counts as a failed sign-in does.
        """
        with self._database.read() as connection:
            pause = lockout.wait(connection, name, address, now)
            row = connection.execute(select(accounts).where(accounts.c.name == name)).one()
        if pause > timedelta(0):
            raise Refused(f"Too many failed tries. Wait {int(pause.total_seconds()) + 1} seconds.")
        if not row.password:
            raise Refused("This account has no password: its single sign-on has.")
        if fault := passwords.fault_of(new, again, name):
            raise Refused(fault)
        knows = self._passwords.holds(row.password, password)
        hashed = self._passwords.hashed(new)
        with self._database.write() as connection:
            row = connection.execute(select(accounts).where(accounts.c.name == name)).one()
            step = None
            if knows:
                step = totp.matching_step(self._seal.open(row.totp), code, now, row.totp_step)
            if step is not None:
                values = {"password": hashed, "totp_step": step}
                connection.execute(update(accounts).where(accounts.c.name == name).values(values))
                end_sessions(connection, name, but=session)
                acts.enter(connection, now, "password-changed", name, account=name)
                return
            if lockout.failed(connection, name, address, now):
                acts.enter(connection, now, "locked-out", "", account=name, address=address)
        raise Refused("Password and code do not belong together.")

    def give_roles(self, name: str, roles: Sequence[Role], by: str, now: datetime) -> None:
        """Give somebody these roles in place of theirs. Raises Refused."""
        with self._database.write() as connection:
            _found(connection, name)
            values = {"roles": json.dumps(list(roles))}
            connection.execute(update(accounts).where(accounts.c.name == name).values(values))
            keep_an_administrator(connection)
            acts.enter(connection, now, "roles", by, account=name, roles=", ".join(roles))

    def disable(self, name: str, by: str, now: datetime, *, disabled: bool = True) -> None:
        """Let somebody sign in no more, and end their sessions; or let them again."""
        with self._database.write() as connection:
            _found(connection, name)
            values = {"disabled": to_micros(now) if disabled else None}
            connection.execute(update(accounts).where(accounts.c.name == name).values(values))
            if disabled:
                end_sessions(connection, name)
                connection.execute(delete(invitations).where(invitations.c.name == name))
            keep_an_administrator(connection)
            acts.enter(connection, now, "disabled" if disabled else "enabled", by, account=name)


def end_sessions(connection: Connection, name: str, but: str = "") -> int:
    """End somebody's sessions, all `but` one; how many."""
    query = delete(sessions).where(sessions.c.account == name, sessions.c.uid != but)
    return int(connection.execute(query).rowcount)


def keep_an_administrator(connection: Connection) -> None:
    """Refuse, and with it the transaction, what would leave nobody who changes people."""
    everybody = [_account(row) for row in connection.execute(select(accounts))]
    if not any(
        one.disabled is None and Permission.CHANGE_PEOPLE in one.permissions for one in everybody
    ):
        raise Refused("Nobody would be left who may change people.")


def find_account(connection: Connection, name: str) -> Account | None:
    """An account by its name."""
    row = connection.execute(select(accounts).where(accounts.c.name == name)).first()
    return None if row is None else _account(row)


def _found(connection: Connection, name: str) -> Account:
    account = find_account(connection, name)
    if account is None:
        raise Refused(f"There is no account {name[:40]}.")
    return account


def _roles(stored: str) -> tuple[Role, ...]:
    """Roles as stored; one that this version does not know gives nothing."""
    known = set(Role)
    return tuple(Role(one) for one in json.loads(stored) if one in known)


def _account(row: Any) -> Account:  # a row has no static type in SQLAlchemy
    return Account(
        row.name,
        _roles(row.roles),
        from_micros(row.created),
        None if row.disabled is None else from_micros(row.disabled),
        bool(row.password),
    )
