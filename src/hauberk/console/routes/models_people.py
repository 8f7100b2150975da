"""Persons in force, and keys that people made in their browsers: added and revoked by signature."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import RedirectResponse, Response

from hauberk.console.accounts import Refused
from hauberk.console.console import Console
from hauberk.console.guard import Form, Here, Sent, Who, needs
from hauberk.console.models_signing import signer_of
from hauberk.console.models_words import to_sign
from hauberk.console.pages import page
from hauberk.console.permissions import Permission
from hauberk.governance import add_key, add_person, revoke_key

from .models_signing import MAX_SAID, entered

router = APIRouter()

ADDED, KEY_ADDED, KEY_REVOKED = "person.added", "person.key_added", "person.key_revoked"

Name = Annotated[str, Path(max_length=100)]
Body = dict[str, Any]  # an entry, whose statement is known to who made it


@router.get("/models/people", dependencies=needs(Permission.READ_MODELS))
def people(request: Request, console: Here) -> Response:
    """Who may sign what, with which keys."""
    return _page(request, console)


@router.post("/models/people/{name}/key", dependencies=needs(Permission.SIGN_STATEMENTS))
def add(request: Request, console: Here, sent: Sent, who: Who, name: Name) -> Response:
    """Add the key that somebody offers; the person too where there is none."""

    def made() -> Body:
        standing = console.models.standing()
        registry, now = standing.registry, console.clock()
        offer = next((one for one in console.signing.offers(registry) if one.name == name), None)
        if offer is None:
            raise Refused(f"{name} offers no key that is not known.")
        if name in registry.authority.people:
            return add_key(standing.origin, now, name, offer.public, None)
        roles = [one for one in registry.authority.policy.roles if one in sent.many("role")]
        if not roles:
            raise Refused("Choose at least one role.")
        return add_person(standing.origin, now, name, roles, offer.public, None)

    if sent.many("signed"):
        return _taken(request, console, sent, who.name, name, (ADDED, KEY_ADDED))
    return _asked(request, console, who.name, f"/models/people/{name}/key", made)


@router.post("/models/people/{name}/revoke-key", dependencies=needs(Permission.SIGN_STATEMENTS))
def revoke(request: Request, console: Here, sent: Sent, who: Who, name: Name) -> Response:
    """Revoke a key of somebody from now on."""

    def made() -> Body:
        standing, now = console.models.standing(), console.clock()
        person = standing.registry.authority.people.get(name)
        key = sent.one("key")
        if person is None or all(one.uid != key for one in person.keys):
            raise Refused(f"{name} has no such key.")
        reason = sent.one("reason").strip()[:MAX_SAID]
        if not reason:
            raise Refused("Say why.")
        return revoke_key(standing.origin, now, name, key, now, reason, None)

    if sent.many("signed"):
        return _taken(request, console, sent, who.name, name, (KEY_REVOKED,))
    return _asked(request, console, who.name, f"/models/people/{name}/revoke-key", made)


@router.get("/account/signing-key", dependencies=needs(Permission.OWN_ACCOUNT))
def own_key(request: Request, console: Here, who: Who) -> Response:
    """The key that signs in this browser."""
    return _own(request, console, who.name)


@router.post("/account/signing-key", dependencies=needs(Permission.OWN_ACCOUNT))
def offer(request: Request, console: Here, sent: Sent, who: Who) -> Response:
    """Offer the public half to whoever may add it."""
    try:
        console.signing.offer(who.name, sent.one("public_key"))
    except Refused as refused:
        return _own(request, console, who.name, str(refused), 400)
    entered(console)
    return RedirectResponse("/account/signing-key", 303)


def _own(
    request: Request, console: Console, name: str, notice: str = "", status: int = 200
) -> Response:
    registry = console.models.standing().registry
    offers = console.signing.offers(registry)
    return page(
        request, "signing_key.html.j2", status,
        signer=signer_of(registry, name), notice=notice,
        changed_by=registry.authority.policy.people_changed_by,
        offer=next((one for one in offers if one.name == name), None),
    )  # fmt: skip


def _taken(
    request: Request, console: Console, sent: Form, by: str, name: str, kinds: tuple[str, ...]
) -> Response:
    try:
        console.signing.submit(sent.one("signed"), kinds, "name", name, by)
    except Refused as refused:
        entered(console)
        return _page(request, console, str(refused), 409)
    entered(console)
    return RedirectResponse("/models/people", 303)


def _asked(
    request: Request, console: Console, by: str, action: str, made: Callable[[], Body]
) -> Response:
    try:
        body = made()
    except Refused as refused:
        return _page(request, console, str(refused), 409)
    registry = console.models.standing().registry
    return page(
        request, "models_sign.html.j2",
        asked=to_sign(registry, str(body["type"]), body["statement"]),
        signer=signer_of(registry, by), action=action, back="/models/people",
        subject="Persons",
    )  # fmt: skip


def _page(request: Request, console: Console, notice: str = "", status: int = 200) -> Response:
    standing = console.models.standing()
    authority = standing.registry.authority
    return page(
        request, "models_people.html.j2", status,
        standing=standing, people=list(authority.people.values()), policy=authority.policy,
        offers=console.signing.offers(standing.registry), notice=notice,
        waiting=console.signing.waiting(),
    )  # fmt: skip
