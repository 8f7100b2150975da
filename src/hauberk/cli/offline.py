"""Acts that are signed where the home is not: written as a file, signed, and entered.

`hauberk models ballot` and `hauberk policy draft` write a request; `hauberk people sign` adds a
signature to it on any machine; `hauberk people enter` brings it into the ledger.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from hauberk.errors import UsageError
from hauberk.governance import VOTE, adopt_policy
from hauberk.models import ballot, cast, read_registry

from . import acting, output
from .home import Home
from .models import Reference, models_app
from .models_acts import chosen_conditions
from .people import people_app
from .policy import File, policy_app, read_file

MAX_REQUEST = 4 << 20

Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the request goes.")]
Request = Annotated[Path, typer.Argument(metavar="FILE", help="A request.")]


@models_app.command("ballot")
def write_ballot(
    reference: Reference,
    person: Annotated[str, typer.Option("--for", metavar="NAME", help="Who is to vote.")],
    out: Out,
    reject: Annotated[bool, typer.Option("--reject", help="To reject it.")] = False,
    condition: Annotated[
        list[str] | None, typer.Option("--condition", metavar="NAME[=VALUE]", help="Repeatable.")
    ] = None,
    days: Annotated[int | None, typer.Option("--days", min=1, help="How long it lasts.")] = None,
    comment: Annotated[str, typer.Option("--comment", help="What was looked at.")] = "",
    home: Home = None,
) -> None:
    """Write a vote for somebody to sign on a machine of their own."""
    with acting.for_reading(home) as opened:
        registry = read_registry(opened)
        conditions = chosen_conditions(condition or [], registry.authority.policy.conditions)
        statement = ballot(
            opened, person, registry.named(reference), approve=not reject, conditions=conditions,
            days=days, comment=comment,
        )  # fmt: skip
    _write(out, {"type": VOTE, "statement": statement, "signatures": []})
    acting.tell([f"{person} signs it with: hauberk people sign {out} --as {person}"])


@policy_app.command("draft")
def draft(file: File, out: Out, home: Home = None) -> None:
    """Write the adoption of a policy for several persons to sign, each on their own machine."""
    policy = read_file(file)
    with acting.for_reading(home) as opened:
        before = read_registry(opened).authority.policy
        body = adopt_policy(opened.origin, opened.clock(), policy, before.digest, [])
    _write(out, body)
    acting.tell(
        [f"{before.change.quorum} persons sign it with: hauberk people sign {out} --as NAME"]
    )


@people_app.command("sign")
def sign_request(file: Request, by: acting.As, key: acting.Key = None) -> None:
    """Sign a request; needs no home. Says first what is signed."""
    body = _read(file)
    statement = body["statement"]
    shown = {name: value for name, value in statement.items() if name != "text"}
    acting.tell([f"{body['type']}:", *(f"  {name}: {value}" for name, value in shown.items())])
    signature = acting.signer(by, key).sign(body["type"], statement)
    body["signatures"] = [one for one in body["signatures"] if one.get("person") != by]
    body["signatures"].append(signature.as_json())
    _write(file, body)
    acting.tell([f"signed by {', '.join(str(one['person']) for one in body['signatures'])}"])


@people_app.command("enter")
def enter_request(file: Request, home: Home = None) -> None:
    """Enter a signed request into the ledger, if its signatures and their rights hold."""
    body = _read(file)
    with acting.for_writing(home) as opened:
        cast(opened, body)
    acting.tell([f"{body['type']} is in the ledger"])


def _write(path: Path, body: dict[str, Any]) -> None:
    with output.file(path, "--out") as stream:
        stream.write(acting.as_json(body))


def _read(path: Path) -> dict[str, Any]:
    """A request; UsageError where the file is none."""
    try:
        if path.stat().st_size > MAX_REQUEST:
            raise UsageError("is too large for a request", where=str(path))
        body = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(path)) from error
    good = (
        isinstance(body, dict)
        and isinstance(body.get("type"), str)
        and isinstance(body.get("statement"), dict)
        and isinstance(body.get("signatures"), list)
        and all(isinstance(one, dict) for one in body["signatures"])
        and body.keys() == {"type", "statement", "signatures"}
    )
    if not good:
        raise UsageError("is no request", where=str(path), hint="hauberk models ballot writes one")
    found: dict[str, Any] = body
    return found
