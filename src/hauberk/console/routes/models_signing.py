"""What people do to models: vote, promote, revoke with their signatures; roll back without one.

Each route that needs a signature is asked twice: first it shows the statement, then it takes it
signed.
"""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from hauberk.console.accounts import Refused
from hauberk.console.console import Console
from hauberk.console.guard import Form, Here, Sent, Who, needs
from hauberk.console.models_signing import days_of, signer_of
from hauberk.console.models_words import to_sign
from hauberk.console.pages import page
from hauberk.console.permissions import Permission
from hauberk.errors import HauberkError
from hauberk.governance import VOTE, Conditions
from hauberk.models import MOVED, REVOKED, Task, Version, ballot, promotion, revocation
from hauberk.store import Home

from .models import Uid, found, shown_list, shown_version

router = APIRouter()

MAX_SAID = 1000
"""Characters of a comment or reason, so that a signed statement fits into a form."""

Name = Annotated[str, Path(max_length=64)]


@router.post("/models/versions/{uid}/vote", dependencies=needs(Permission.VOTE_MODELS))
def vote(request: Request, console: Here, sent: Sent, who: Who, uid: Uid) -> Response:
    """Approve or reject a version."""

    def made(home: Home, one: Version) -> dict[str, Any]:
        approve = sent.one("decision") != "reject"
        days = sent.number("days")
        if days not in days_of(console.models.standing().registry):
            raise Refused("Choose how long it holds.")
        conditions = _conditions(sent) if approve else Conditions()
        return ballot(
            home, who.name, one, approve=approve, conditions=conditions, days=days,
            comment=_said(sent, "comment"),
        )  # fmt: skip

    return _signed(request, console, sent, who.name, uid, "vote", VOTE, made)


@router.post("/models/versions/{uid}/promote", dependencies=needs(Permission.PROMOTE_MODELS))
def promote(request: Request, console: Here, sent: Sent, who: Who, uid: Uid) -> Response:
    """Raise a version by one stage."""

    def made(home: Home, one: Version) -> dict[str, Any]:
        registry = console.models.standing().registry
        share = _share(sent.one("share"))
        _, statement = promotion(
            home, registry, one, console.clock(), share=share, reason=_said(sent, "reason")
        )
        return statement

    return _signed(request, console, sent, who.name, uid, "promote", MOVED, made)


@router.post("/models/versions/{uid}/revoke", dependencies=needs(Permission.ROLL_MODELS))
def revoke(request: Request, console: Here, sent: Sent, who: Who, uid: Uid) -> Response:
    """Revoke a version for good."""

    def made(home: Home, one: Version) -> dict[str, Any]:
        reason = _said(sent, "reason")
        if not reason:
            raise Refused("Say why.")
        return revocation(home, one, console.clock(), reason)

    return _signed(request, console, sent, who.name, uid, "revoke", REVOKED, made)


@router.post("/models/tasks/{name}/rollback", dependencies=needs(Permission.ROLL_MODELS))
def roll_back(request: Request, console: Here, sent: Sent, who: Who, name: Name) -> Response:
    """Put back what was live before, or rules alone: no signature, and nothing to wait for."""
    if name not in tuple(Task):
        raise HTTPException(404)
    try:
        console.signing.roll_back(
            Task(name), sent.one("reason"), who.name, to_rules=sent.one("to_rules") == "1"
        )
    except Refused as refused:
        return shown_list(request, console, who.name, str(refused), 409)
    entered(console)
    return RedirectResponse("/models", 303)


def entered(console: Console) -> None:
    """Hand an act on at once."""
    console.handover.hand_over()
    console.changes += 1


def _signed(
    request: Request,
    console: Console,
    sent: Form,
    by: str,
    uid: str,
    verb: str,
    kind: str,
    made: Callable[[Home, Version], dict[str, Any]],
) -> Response:
    """Show a statement to sign, or take it signed."""
    standing = console.models.standing()
    one = found(standing, uid)
    try:
        if sent.many("signed"):
            console.signing.submit(sent.one("signed"), {kind}, "artifact", uid, by)
            entered(console)
            return RedirectResponse(f"/models/versions/{uid}", 303)
        with console.models.open() as home:
            statement = made(home, one)
    except Refused as refused:
        entered(console)
        return shown_version(request, console, uid, by, str(refused), 409)
    except HauberkError as error:
        return shown_version(request, console, uid, by, error.what, 409)
    return page(
        request, "models_sign.html.j2",
        asked=to_sign(standing.registry, kind, statement), signer=signer_of(standing.registry, by),
        action=f"/models/versions/{uid}/{verb}", back=f"/models/versions/{uid}", subject=one.name,
    )  # fmt: skip


def _said(sent: Form, name: str) -> str:
    return sent.one(name).strip()[:MAX_SAID]


def _conditions(sent: Form) -> Conditions:
    most = sent.one("max_findings_per_day").strip()
    if most and sent.number("max_findings_per_day") < 0:
        raise Refused("At most how many findings a day? That is a whole number.")
    return Conditions(
        observe_only=sent.one("observe_only") == "1",
        max_findings_per_day=sent.number("max_findings_per_day") if most else None,
        max_canary_share=_share(sent.one("max_canary_share")),
    )


def _share(text: str) -> float | None:
    """A share above 0 and up to 1; None where nothing is said. Raises Refused."""
    if not text.strip():
        return None
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise Refused("A share lies above 0 and up to 1.")
    return share
