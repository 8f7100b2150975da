"""What is one story: merge incidents, split findings off, take either back."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from hauberk.console.accounts import Refused
from hauberk.console.guard import Here, Sent, Who, needs
from hauberk.console.permissions import Permission
from hauberk.triage import Incident

from .incident import Uid, act_on

router = APIRouter()


@router.post("/incidents/{uid}/merge", dependencies=needs(Permission.JUDGE_INCIDENTS))
def merge(request: Request, console: Here, sent: Sent, who: Who, uid: Uid) -> Response:
    """Say that another incident is the same story."""

    def done(_: Incident) -> None:
        # Its uid, or an address that ends in it.
        named = sent.one("other").strip().rstrip("/").rpartition("/")[2]
        other = console.reading.incident(console.reading.index.heirs.get(named, named))
        if other is None:
            raise Refused("There is no such incident to merge.")
        console.stories.merge(
            uid, other.uid, sent.one("reason"), who.name, sent.number("seen"), console.clock(),
            other.title,
        )  # fmt: skip

    return act_on(request, console, uid, done)


@router.post("/incidents/{uid}/split", dependencies=needs(Permission.JUDGE_INCIDENTS))
def split(request: Request, console: Here, sent: Sent, who: Who, uid: Uid) -> Response:
    """Say that some findings are none of this story: one is detached, several are split off."""

    def done(incident: Incident) -> None:
        own = set(incident.findings)
        chosen = [one for one in dict.fromkeys(sent.many("finding")) if one in own]
        counting = len(own) - len(incident.context)
        whole = counting + sum(one in incident.context for one in chosen)
        console.stories.take_out(
            uid, chosen, whole, sent.one("reason"), who.name, sent.number("seen"),
            console.clock(), together=len(chosen) > 1,
        )  # fmt: skip

    return act_on(request, console, uid, done)


@router.post("/incidents/{uid}/undo", dependencies=needs(Permission.JUDGE_INCIDENTS))
def undo(request: Request, console: Here, sent: Sent, who: Who, uid: Uid) -> Response:
    """Take a merge or a split back."""

    def done(incident: Incident) -> None:
        console.stories.undo(
            uid, incident.supersedes, sent.one("act"), sent.one("reason"), who.name,
            sent.number("seen"), console.clock(),
        )  # fmt: skip

    return act_on(request, console, uid, done)
