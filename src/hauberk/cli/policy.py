"""`hauberk policy`: the reviewed file that says who decides what."""

from pathlib import Path
from typing import Annotated

import typer

from hauberk.errors import UsageError
from hauberk.governance import PersonalKey, Policy, adopt_policy, read_policy
from hauberk.models import Occurrence, enter, read_registry
from hauberk.reports import policy_lines

from . import acting, output
from .home import Home

policy_app = typer.Typer(
    help="""The policy: who decides what, on which evidence, for how long.

    Where none was adopted, the one that ships holds. A new one is signed as the one in force
    demands, and its whole text stands in the ledger.

    Examples:

      hauberk policy show --text > policy.toml

      hauberk policy check policy.toml

      hauberk policy adopt policy.toml --as sam --as cem
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)

File = Annotated[Path, typer.Argument(metavar="FILE", help="A policy file (TOML).")]


@policy_app.command("show")
def show(
    text: Annotated[bool, typer.Option("--text", help="The file itself.")] = False,
    home: Home = None,
    json: acting.Json = False,
) -> None:
    """Show the policy in force."""
    with acting.for_reading(home) as opened:
        authority = read_registry(opened).authority
    policy = authority.policy
    if text:
        with output.stdout() as stream:
            stream.write(policy.text)
    elif json:
        former = [{"entry": position, "policy": one.digest} for position, one in authority.policies]
        facts = {"name": policy.name, "policy": policy.digest, "adopted": former}
        acting.tell_json({**facts, "text": policy.text})
    else:
        where = f"ledger entry {authority.policies[-1][0]}" if authority.policies else "as shipped"
        acting.tell([f"in force: {where}", *policy_lines(policy)])


@policy_app.command("check")
def check(file: File) -> None:
    """Read a policy file and say what it demands, or which field is wrong."""
    acting.tell(policy_lines(read_file(file)))


@policy_app.command("adopt")
def adopt(
    file: File,
    by: Annotated[list[str], typer.Option("--as", metavar="NAME", help="A signer; repeatable.")],
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", metavar="FILE", help="Their private keys, in the same order."),
    ] = None,
    home: Home = None,
) -> None:
    """Put a policy in force, signed by as many persons as the one before it demands."""
    policy = read_file(file)
    files: list[Path | None] = list(key or [])
    if files and len(files) != len(by):
        raise UsageError(f"{len(by)} signers and {len(files)} keys", where="--key")
    files = files or [None] * len(by)
    with acting.for_writing(home) as opened:
        now = opened.clock()
        signers: list[PersonalKey] = [
            acting.signer(name, path) for name, path in zip(by, files, strict=True)
        ]
        before = read_registry(opened).authority.policy
        body = adopt_policy(opened.origin, now, policy, before.digest, signers)
        tells = Occurrence(
            "adopt", now, actor=", ".join(by), before=before.digest[:12], after=policy.digest[:12],
            message=f"policy {policy.name}",
        )  # fmt: skip
        enter(opened, body, tells, now=now)
    acting.tell([f"the policy {policy.name} ({policy.digest[:12]}) is in force"])


def read_file(file: Path) -> Policy:
    """A policy file, read whole. Raises UsageError or PolicyError."""
    try:
        return read_policy(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(file)) from error
