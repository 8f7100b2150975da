"""`hauberk models`: the acts that register, sign, judge, raise, lower and revoke models."""

from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from hauberk.errors import HomeBusyError, UsageError
from hauberk.governance import Conditions, PersonalKey, entry, read_conditions
from hauberk.models import (
    MACHINE,
    ROLLED_BACK,
    Stage,
    Task,
    Version,
    add_signature,
    assess_risk,
    cleared,
    load_signing_key,
    lower,
    make_signing_key,
    promote,
    read_registry,
    register,
    revoke,
    revoke_key,
    rollback,
    sign,
    sign_with_pkcs11,
    sign_with_sigstore,
    signature_folder,
    trust_key,
    vote,
    way_back,
)
from hauberk.pipeline import STATEMENT, leave
from hauberk.reports import decision_lines, risk_lines
from hauberk.store import Home as OpenHome

from . import acting, train
from .home import Home
from .models import Reference, models_app

Reason = Annotated[str, typer.Option("--reason", help="Why; it stands in the ledger.")]
Days = Annotated[
    int | None, typer.Option("--days", min=1, help="How long (as the policy says at most).")
]

key_app = typer.Typer(
    help="""Keys that sign models: make, trust, rotate, revoke.

    To rotate: make and trust a new key, sign the live models with it, revoke the old one.

    Examples:

      hauberk models key new signing.pem

      hauberk models key trust signing.pem.pub --holder ada --as sam

      hauberk models key revoke 7b9a9ffaa56c --reason "lost laptop" --as sam
    """,
    no_args_is_help=True,
    rich_markup_mode=None,
)
models_app.add_typer(key_app, name="key")

__all__ = ["key_app", "models_app", "train"]


@models_app.command("register")
def register_model(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The model's folder.")],
    by: acting.As,
    trained_by: Annotated[
        list[str] | None,
        typer.Option("--trained-by", metavar="NAME", help="Who trained it; repeatable."),
    ] = None,
    key: acting.Key = None,
    home: Home = None,
    json: acting.Json = False,
) -> None:
    """Register a model's folder as a candidate; who registers it owns it and has no vote."""
    with acting.for_writing(home) as opened:
        artifact = register(opened, folder, acting.signer(by, key), trained_by or ())
    name = f"{artifact.model.name}@{artifact.model.version}"
    if json:
        acting.tell_json({"model": name, "artifact": artifact.digest})
    else:
        acting.tell([f"{name} is a candidate, artifact {artifact.digest}"])


@models_app.command("sign")
def sign_model(
    reference: Reference,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="A private key (P-256).")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="FILE", help="A bundle that was made elsewhere."),
    ] = None,
    pkcs11: Annotated[
        str | None,
        typer.Option(
            "--pkcs11",
            metavar="URI",
            help="A key of a PKCS#11 token; `module-path` in it names the module.",
        ),
    ] = None,
    sigstore: Annotated[
        bool, typer.Option("--sigstore", help="A Sigstore identity (needs a network).")
    ] = False,
    trust_config: Annotated[
        Path | None, typer.Option("--trust-config", help="A Sigstore instance of your own.")
    ] = None,
    identity: Annotated[
        str | None, typer.Option("--identity", help="The trusted identity that signs: its key id.")
    ] = None,
    home: Home = None,
) -> None:
    """Sign artifact, data manifest and report together, as an OpenSSF model-signing bundle."""
    if sum((key is not None, bundle is not None, pkcs11 is not None, sigstore)) != 1:
        raise UsageError("expected one of --key, --bundle, --pkcs11 and --sigstore")
    with acting.for_writing(home) as opened:
        version = read_registry(opened).named(reference)
        if key is not None:
            sign(opened, version, load_signing_key(key, acting.passphrase()))
        elif bundle is not None:
            add_signature(opened, version, _text(bundle), identity)
        else:
            with signature_folder(opened, version) as copy:
                made = (
                    sign_with_pkcs11(copy, pkcs11)
                    if pkcs11 is not None
                    else sign_with_sigstore(copy, trust_config=trust_config)
                )
            add_signature(opened, version, made, identity)
    acting.tell([f"{version.name} is signed: {len(version.files)} files together"])


@models_app.command("submit")
def submit(reference: Reference, home: Home = None, json: acting.Json = False) -> None:
    """Put a version before the board: its risk into the register, and whose votes it takes."""
    with acting.for_writing(home) as opened:
        registry = read_registry(opened)
        version = registry.named(reference)
        facts = assess_risk(opened, registry, version)
        answer = cleared(registry.authority, registry.keys, version, Stage.LIVE, opened.clock())
    if json:
        acting.tell_json(facts)
        return
    acting.tell([*risk_lines(answer.risk), "", *decision_lines(answer.decision)])
    acting.tell([f"to vote: hauberk models approve {version.name} --as NAME"])


@models_app.command("approve")
def approve(
    reference: Reference,
    by: acting.As,
    condition: Annotated[
        list[str] | None,
        typer.Option(
            "--condition",
            metavar="NAME[=VALUE]",
            help="observe_only, max_findings_per_day=N, max_canary_share=X; repeatable.",
        ),
    ] = None,
    days: Days = None,
    comment: Annotated[str, typer.Option("--comment", help="What you looked at.")] = "",
    key: acting.Key = None,
    home: Home = None,
) -> None:
    """Approve exactly this artifact, report and policy, with your signature."""
    with acting.for_writing(home) as opened:
        registry = read_registry(opened)
        version = registry.named(reference)
        conditions = chosen_conditions(condition or [], registry.authority.policy.conditions)
        statement = vote(
            opened, acting.signer(by, key), version, approve=True, conditions=conditions,
            days=days, comment=comment,
        )  # fmt: skip
        lines = _board(opened, version)
    acting.tell([f"{by} approves {version.name} until {statement['expires'][:10]}", *lines])


@models_app.command("reject")
def reject(
    reference: Reference,
    by: acting.As,
    reason: Reason,
    key: acting.Key = None,
    home: Home = None,
) -> None:
    """Reject a version with your signature; it stands until you approve."""
    with acting.for_writing(home) as opened:
        version = read_registry(opened).named(reference)
        vote(opened, acting.signer(by, key), version, approve=False, comment=reason)
        lines = _board(opened, version)
    acting.tell([f"{by} rejects {version.name}", *lines])


@models_app.command("promote")
def promote_model(
    reference: Reference,
    by: acting.As,
    share: Annotated[
        float | None, typer.Option("--share", min=0.0, max=1.0, help="Of entities, for a canary.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the ledger.")] = "",
    key: acting.Key = None,
    home: Home = None,
) -> None:
    """Raise a version by one stage: candidate, shadow, canary, live."""
    with acting.for_writing(home) as opened:
        version = read_registry(opened).named(reference)
        person = acting.signer(by, key)
        before = version.stage
        after = promote(opened, person, version, share=share, reason=reason)
        move = read_registry(opened).versions[version.artifact].moves[-1]
    told = f", for a share of {move.share:g} of the entities" if move.share is not None else ""
    acting.tell([f"{version.name} went from {before} to {after}{told} (entry {move.position})"])


@models_app.command("rollback")
def roll_back(
    task: Annotated[Task, typer.Argument(help="What the model judges.")],
    reason: Reason,
    to_rules: Annotated[
        bool, typer.Option("--to-rules", help="To no model at all, whatever was live before.")
    ] = False,
    by: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="Who signs; not needed to go down.")
    ] = None,
    key: acting.Key = None,
    home: Home = None,
) -> None:
    """Put back at once what was live before, or rules alone; takes a canary down too.

    Where a watch writes the home it does so in a moment.
    """
    person = acting.signer(by, key) if by else None
    try:
        with acting.for_writing(home) as opened:
            target = rollback(opened, task, reason=reason, person=person, to_rules=to_rules)
    except HomeBusyError:
        target = _left_for_a_watch(home, task, reason, person, to_rules=to_rules)
    acting.tell([f"{task}: {target.name if target else 'rules alone'} judges from now on"])


def _left_for_a_watch(
    home: Path | None, task: Task, reason: str, person: PersonalKey | None, *, to_rules: bool
) -> Version | None:
    """Leave a rollback for whoever writes the home now; where it leads."""
    with acting.for_reading(home) as opened:
        registry, now = read_registry(opened), opened.clock()
        target, statement = way_back(opened, registry, task, now, reason=reason, to_rules=to_rules)
    signatures = [person.sign(ROLLED_BACK, statement)] if person else []
    act = {
        "type": STATEMENT, "by": person.person if person else MACHINE, "about": task,
        "what": ROLLED_BACK, "signed": dumps(entry(ROLLED_BACK, statement, signatures)),
    }  # fmt: skip
    leave(opened.path, "cli", [act])
    return target


@models_app.command("retire")
def retire(reference: Reference, reason: Reason, home: Home = None) -> None:
    """Take a version out of use; it may rise again from shadow."""
    with acting.for_writing(home) as opened:
        version = read_registry(opened).named(reference)
        lower(opened, version, Stage.RETIRED, reason=reason)
    acting.tell([f"{version.name} is retired"])


@models_app.command("revoke")
def revoke_model(
    reference: Reference, by: acting.As, reason: Reason, key: acting.Key = None, home: Home = None
) -> None:
    """Revoke a version for good: no loader takes it any more, here or where the ledger goes."""
    with acting.for_writing(home) as opened:
        version = read_registry(opened).named(reference)
        revoke(opened, acting.signer(by, key), version, reason)
    acting.tell([f"{version.name} is revoked"])


@key_app.command("new")
def new_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where the private key goes.")],
) -> None:
    """Make a key that signs models (P-256); its public half goes beside it as FILE.pub."""
    pem = make_signing_key(file, acting.passphrase())
    public = file.with_name(file.name + ".pub")
    public.write_text(pem, encoding="utf-8")
    acting.tell([f"private key {file} (0600), public key {public}"])


@key_app.command("list")
def list_keys(home: Home = None) -> None:
    """List trusted keys and identities, revoked ones too."""
    with acting.for_reading(home) as opened:
        registry = read_registry(opened)
    for key in registry.keys.values():
        state = "revoked" if key.void_since else f"until {key.expires:%Y-%m-%d}"
        acting.tell([f"{key.uid[:16]}  {key.holder}  {', '.join(key.tasks)}  {state}"])


@key_app.command("trust")
def trust(
    by: acting.As,
    holder: Annotated[str, typer.Option("--holder", help="Whose key it is.")],
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="The public key (PEM).")
    ] = None,
    identity: Annotated[str, typer.Option("--identity", help="A Sigstore identity.")] = "",
    issuer: Annotated[str, typer.Option("--issuer", help="Who vouches for that identity.")] = "",
    trust_config: Annotated[
        Path | None,
        typer.Option(
            "--trust-config",
            metavar="FILE",
            help="What an identity is verified by, offline: a Sigstore trust configuration.",
        ),
    ] = None,
    task: Annotated[
        list[Task] | None, typer.Option("--task", help="What it may sign (all); repeatable.")
    ] = None,
    days: Days = None,
    key: acting.Key = None,
    home: Home = None,
) -> None:
    """Trust a key, or a Sigstore identity, to sign models."""
    with acting.for_writing(home) as opened:
        uid = trust_key(
            opened, acting.signer(by, key), holder=holder, tasks=tuple(task or Task),
            public=_text(file) if file else "", identity=identity, issuer=issuer, days=days,
            trust_root=_text(trust_config) if trust_config else "",
        )  # fmt: skip
    acting.tell([f"models signed with {uid[:16]} of {holder} are believed"])


@key_app.command("revoke")
def revoke_signing_key(
    uid: Annotated[str, typer.Argument(metavar="KEY", help="Its id, or the start of it.")],
    by: acting.As,
    reason: Reason,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="Signatures before then stay good (none do)."),
    ] = None,
    key: acting.Key = None,
    home: Home = None,
) -> None:
    """Revoke a signing key; names the models that are no longer signed."""
    with acting.for_writing(home) as opened:
        start = acting.a_time(since, "--since") if since else None
        hit = revoke_key(opened, acting.signer(by, key), uid, reason, start)
    acting.tell([f"{uid[:16]} is revoked", *(f"  no longer signed: {one.name}" for one in hit)])


def _board(opened: OpenHome, version: Version) -> list[str]:
    registry = read_registry(opened)
    now = registry.versions[version.artifact]
    answer = cleared(registry.authority, registry.keys, now, Stage.LIVE, opened.clock())
    return decision_lines(answer.decision)


def chosen_conditions(said: list[str], allowed: tuple[str, ...]) -> Conditions:
    """Conditions as they are written on a command line. Raises UsageError."""
    found: dict[str, object] = {}
    for one in said:
        name, equals, value = one.partition("=")
        try:
            found[name] = True if not equals else float(value) if "." in value else int(value)
        except ValueError:
            raise UsageError(f"{value!r} is no number", where=f"--condition {name}") from None
    try:
        return read_conditions(found, allowed)
    except ValueError as error:
        raise UsageError(str(error), where="--condition") from error


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot be read: {error}", where=str(path)) from error
