"""`hauberk people`: persons, their roles and their keys."""

from pathlib import Path
from typing import Annotated

import typer

from hauberk.errors import UsageError
from hauberk.governance import (
    add_key,
    add_person,
    encoded,
    give_roles,
    key_id,
    make_key,
    read_public,
    remove_person,
    revoke_key,
)
from hauberk.models import Occurrence, enter, read_registry
from hauberk.reports import people_lines

from . import acting
from .home import Home

people_app = typer.Typer(
    help="""Persons, their roles and their keys.

    The first person signs for itself and needs a role that may change people (security by the
    shipped policy); everybody after is added with the signature of such a person. Private keys
    lie in files of their own (0600), never in the home; a passphrase comes from HAUBERK_PASSPHRASE.

    Examples:

      hauberk people add sam --role security

      hauberk people add pia --role privacy --as sam

      hauberk people add lea --role legal --public-key lea.pub --as sam
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The person.")]
Roles = Annotated[list[str], typer.Option("--role", metavar="ROLE", help="A role; repeatable.")]


@people_app.command("list")
def list_people(home: Home = None, json: acting.Json = False) -> None:
    """Show everybody, with roles and key ids."""
    with acting.for_reading(home) as opened:
        authority = read_registry(opened).authority
    if not json:
        acting.tell(people_lines(authority))
        return
    acting.tell_json(
        [
            {
                "name": person.name,
                "roles": sorted(person.roles),
                "left": person.left,
                "keys": [
                    {"id": key.uid, "public_key": encoded(key.public), "void_since": key.void_since}
                    for key in person.keys
                ],
            }
            for person in authority.people.values()
        ]
    )


@people_app.command("add")
def add(
    name: Name,
    role: Roles,
    by: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Who adds them; not for the first.")
    ] = None,
    key: acting.Key = None,
    public_key: Annotated[
        Path | None,
        typer.Option("--public-key", metavar="FILE", help="Their key, made elsewhere (Ed25519)."),
    ] = None,
    home: Home = None,
    json: acting.Json = False,
) -> None:
    """Add a person; makes a key for them unless --public-key brings one."""
    made = None
    with acting.for_writing(home) as opened:
        first = not read_registry(opened).authority.people
        if first and public_key is not None:
            raise UsageError("the first person signs for itself", hint="Leave --public-key out")
        if not first and by is None:
            raise UsageError("somebody has to sign this", hint="Say who with --as NAME")
        admin = None if first else acting.signer(by or "", key)
        if public_key is None:
            made = acting.key_file(name, key if first else None)
            own = make_key(name, made, acting.passphrase())
            public = own.public
        else:
            public = read_public(_text(public_key))
        now = opened.clock()
        body = add_person(opened.origin, now, name, role, public, admin or own)
        actor = name if admin is None else admin.person
        try:
            enter(opened, body, Occurrence("add-person", now, actor=actor, after=name), now=now)
        except BaseException:
            if made is not None:
                made.unlink(missing_ok=True)
            raise
    facts = {"name": name, "roles": role, "key": key_id(public), "file": made}
    if json:
        acting.tell_json(facts)
        return
    acting.tell([f"{name} is {', '.join(role)}, key {key_id(public)}"])
    if made is not None:
        acting.tell([f"the private key is {made}: keep a copy, it cannot be made again"])


@people_app.command("role")
def role(name: Name, role: Roles, by: acting.As, key: acting.Key = None, home: Home = None) -> None:
    """Give a person these roles in place of theirs."""
    with acting.for_writing(home) as opened:
        now, admin = opened.clock(), acting.signer(by, key)
        body = give_roles(opened.origin, now, name, role, admin)
        tells = Occurrence("give-roles", now, actor=by, after=f"{name}: {', '.join(role)}")
        enter(opened, body, tells, now=now)
    acting.tell([f"{name} is {', '.join(role)} from now on"])


@people_app.command("key")
def new_key(
    name: Name,
    by: acting.As,
    key: acting.Key = None,
    file: Annotated[
        Path | None, typer.Option("--new", metavar="FILE", help="Where the new key goes.")
    ] = None,
    public_key: Annotated[
        Path | None,
        typer.Option("--public-key", metavar="FILE", help="A key made elsewhere (Ed25519)."),
    ] = None,
    home: Home = None,
) -> None:
    """Give a person a further key, new or made elsewhere; `revoke-key` ends the old one."""
    with acting.for_writing(home) as opened:
        now, admin = opened.clock(), acting.signer(by, key)
        path = file or acting.keys_folder() / f"{name}-{now:%Y%m%d%H%M%S}.pem"
        public = (
            make_key(name, path, acting.passphrase()).public
            if public_key is None
            else read_public(_text(public_key))
        )
        body = add_key(opened.origin, now, name, public, admin)
        tells = Occurrence("add-key", now, actor=by, after=key_id(public))
        enter(opened, body, tells, now=now)
    where = "made elsewhere" if public_key else f"in {path}"
    acting.tell([f"{name} has the further key {key_id(public)}, {where}"])


@people_app.command("revoke-key")
def revoke(
    name: Name,
    uid: Annotated[str, typer.Argument(metavar="KEY", help="The key's id.")],
    reason: Annotated[str, typer.Option("--reason", help="Why.")],
    by: acting.As,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="From when on it does not count (now)."),
    ] = None,
    key: acting.Key = None,
    home: Home = None,
) -> None:
    """Revoke a person's key; votes that it signed since then no longer count."""
    with acting.for_writing(home) as opened:
        now, admin = opened.clock(), acting.signer(by, key)
        start = acting.a_time(since, "--since") if since else now
        body = revoke_key(opened.origin, now, name, uid, start, reason, admin)
        tells = Occurrence("revoke-key", now, actor=by, before=uid, message=reason)
        enter(opened, body, tells, now=now)
    acting.tell([f"what {name} signed with {uid} since {start:%Y-%m-%d %H:%M} UTC does not count"])


@people_app.command("remove")
def remove(name: Name, by: acting.As, key: acting.Key = None, home: Home = None) -> None:
    """Say that a person has left: they sign no more; their votes stand until they expire.

    To void votes, revoke the key that gave them.
    """
    with acting.for_writing(home) as opened:
        now, admin = opened.clock(), acting.signer(by, key)
        body = remove_person(opened.origin, now, name, admin)
        enter(opened, body, Occurrence("remove-person", now, actor=by, before=name), now=now)
    acting.tell([f"{name} has left"])


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(path)) from error
