"""Models, persons and policy as people read them: each function gives lines of text.

Names in artifacts are strangers' text; every line goes through `plain` before it is printed.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from hauberk.governance import Authority, Decision, Policy, Risk
from hauberk.models import (
    Check,
    Clearance,
    Measured,
    Registry,
    Stage,
    Task,
    Version,
    cleared,
)


def when(time: datetime) -> str:
    """A time as people read it: UTC, to the second."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def aligned(rows: Sequence[Sequence[object]]) -> list[str]:
    """Rows as columns of text, two spaces apart."""
    texts = [[str(cell) for cell in row] for row in rows]
    if not texts:
        return []
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in texts
    ]


def number(measured: Measured) -> str:
    """A number with its interval, where it has one."""
    if measured.low == measured.high:
        return f"{measured.value:g}"
    return f"{measured.value:g} [{measured.low:g}, {measured.high:g}]"


def listed(registry: Registry, now: datetime) -> list[str]:
    """All models, the newest last."""
    rows: list[Sequence[object]] = [("model", "task", "stage", "risk", "board", "artifact")]
    for version in registry.versions.values():
        answer = cleared(registry.authority, registry.keys, version, Stage.LIVE, now)
        board = "granted" if answer.decision.granted else "not granted"
        rows.append(
            (version.name, version.model.task, stage_of(version),
             f"{answer.risk.score:g} ({answer.decision.tier.name})", board, version.artifact[:12])
        )  # fmt: skip
    if len(rows) == 1:
        return ["no models are registered"]
    return aligned(rows)


def stage_of(version: Version) -> str:
    """Where a version stands, and whether it was revoked."""
    return "revoked" if version.revoked is not None else str(version.stage)


def shown(version: Version, answer: Clearance) -> list[str]:
    """One version: what it is, where it stands, its gates, risk and board decision."""
    model = version.model
    lines = [
        f"{version.name}: a {model.estimator} model that judges {model.task}, {stage_of(version)}",
        f"  artifact   {version.artifact}",
        f"  registered {when(version.registered)} by {version.owner};"
        f" trained by {', '.join(version.trainers)}",
        f"  recipe     {model.recipe_digest[:12]}, code {model.code_version},"
        f" seeds {', '.join(map(str, model.seeds))}",
    ]
    if answer.signed_by is not None:
        key = answer.signed_by
        lines.append(f"  signed     by {key.holder}, key {key.uid[:12]}")
    lines += ["", "gates"]
    lines += _indented(
        aligned([
            (gate.gate, "passed" if gate.passed else "FAILED",
             ", ".join(f"{name} {number(one)}" for name, one in gate.measured.items()))
            for gate in version.report.gates
        ])
    )  # fmt: skip
    lines += ["", *risk_lines(answer.risk), "", *decision_lines(answer.decision)]
    failed = [failure for failure in answer.failures if failure.check is not Check.APPROVAL]
    if failed:
        lines += ["", "refused by", *(f"  {failure}" for failure in failed)]
    return lines


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def risk_lines(risk: Risk) -> list[str]:
    """The arithmetic of a risk, down to the evidence."""
    axes = (risk.likelihood, risk.impact, risk.detectability)
    product = " x ".join(f"{axis.name} {axis.value:.2f}" for axis in axes)
    lines = [f"risk {risk.score:g} of 125 = {product}"]
    for axis in axes:
        lines.append(f"  {axis.name} = {axis.arithmetic()}")
        lines += [
            f"    {term.weight:g} x {term.value:.2f}  {term.what} ({term.evidence})"
            for term in axis.terms
        ]
    impacts = ", ".join(f"{name} {value:g}" for name, value in risk.impacts.items())
    return [*lines, f"  impact on {impacts} (0 none to 4 severe)"]


def decision_lines(decision: Decision) -> list[str]:
    """What the board says, and of whose votes."""
    tier = decision.tier
    needs = f"{_persons(tier.quorum)}, among them {', '.join(tier.roles) or 'anybody'}"
    lines = [f"board: {decision}", f"  tier {tier.name} needs {needs}"]
    for vote in (*decision.counted, *decision.rejected_by):
        said = "approves" if vote.approves else "rejects"
        lines.append(
            f"  {vote.person} {said} until {when(vote.expires)}, conditions: {vote.conditions}"
            f"{f' ({vote.comment})' if vote.comment else ''}"
        )
    lines += [f"  {vote.person}'s vote does not count: {why}" for vote, why in decision.passed_over]
    if decision.granted:
        lines.append(f"  conditions: {decision.conditions}")
    if decision.expires is not None:
        lines.append(f"  the grant ends {when(decision.expires)}")
    return lines


def lineage(registry: Registry, version: Version) -> list[str]:
    """Where a version comes from and what became of it, from data to deployment."""
    lines = [f"{version.name}  {version.artifact}", "", "data"]
    for source in version.data:
        share = f", {source.synthetic_share:.0%} synthetic" if source.synthetic_share else ""
        may = "may" if source.redistribution else "may not"
        lines.append(
            f"  {source.name}: {source.rows:,} rows, {source.rows_after_dedupe:,} after removing"
            f" duplicates, {source.groups:,} groups{share}"
        )
        lines.append(f"    licence {source.licence} ({may} be passed on); for {source.purpose}")
        lines += [f"    {path}  sha256 {digest}" for path, digest in sorted(source.files.items())]
        if source.lake is not None:
            lines.append(f"    lake {', '.join(f'{k} {v}' for k, v in source.lake.items())}")
        if source.lineage:
            lines.append(f"    ledger entries {', '.join(map(str, source.lineage))}")
    lines += ["", "what happened (ledger entry, time)"]
    happened: list[tuple[int, datetime, str]] = [
        (version.position, version.registered, f"registered by {version.owner}")
    ]
    happened += [
        (run.position, run.time, _run_line(run.body["statement"]))
        for run in registry.runs
        if run.body["statement"]["artifact"] == version.artifact
    ]
    happened += [
        (one.position, one.at, f"signed with key {one.key[:12]}") for one in version.bundles
    ]
    happened += [
        (vote.position, vote.at,
         f"{vote.person} {'approved' if vote.approves else 'rejected'} it ({vote.conditions})")
        for vote in version.votes
    ]  # fmt: skip
    happened += [
        (move.position, move.at,
         f"{move.stage} by {move.by}{f': {move.reason}' if move.reason else ''}")
        for move in version.moves
    ]  # fmt: skip
    lines += _indented(
        aligned([(position, when(at), what) for position, at, what in sorted(happened)])
    )
    return lines


def _run_line(said: Mapping[str, object]) -> str:
    """A training run: who, by which recipe, how confined, because of what."""
    recipe, sandbox = str(said.get("recipe", ""))[:12], said.get("sandbox")
    parts = [f"trained by {said.get('trainer', '?')}"]
    parts += [f"recipe {recipe}"] if recipe else []
    parts += [f"confined by {sandbox}"] if sandbox else []
    request = said.get("for_request")
    parts += [f"asked for by entry {request}"] if request is not None else []
    return ", ".join(parts)


def different(one: Version, other: Version) -> list[str]:
    """What two versions differ in: fields, gates, sources, files."""
    lines = [f"{one.name} and {other.name}"]
    for name in (
        "task", "estimator", "features_digest", "classes", "thresholds", "calibration", "scope",
        "seeds", "recipe_digest", "code_version", "parameters",
    ):  # fmt: skip
        was, now = getattr(one.model, name), getattr(other.model, name)
        if was != now:
            lines.append(f"  {name}: {_short(was)} -> {_short(now)}")
    lines += [*_gates(one, other), *_sources(one, other)]
    lines += [
        f"  file {name}: {_digest(one, name)} -> {_digest(other, name)}"
        for name in sorted(one.files.keys() | other.files.keys())
        if one.files.get(name) != other.files.get(name)
    ]
    return lines if len(lines) > 1 else [*lines, "  nothing but the name"]


def _gates(one: Version, other: Version) -> list[str]:
    lines = []
    for gate in dict.fromkeys(g.gate for v in (one, other) for g in v.report.gates):
        before, after = one.report.gate(gate), other.report.gate(gate)
        if before is None or after is None:
            lines.append(f"  gate {gate}: {'added' if before is None else 'gone'}")
            continue
        lines += [
            f"  gate {gate}, {name}: {number(was)} -> {number(after.measured[name])}"
            for name, was in before.measured.items()
            if name in after.measured and was != after.measured[name]
        ]
        if before.passed != after.passed:
            lines.append(f"  gate {gate}: {'now passes' if after.passed else 'now FAILS'}")
    return lines


def _sources(one: Version, other: Version) -> list[str]:
    was = {source.name: source for source in one.data}
    now = {source.name: source for source in other.data}
    words = {(True, False): "gone", (False, True): "added", (True, True): "changed"}
    return [
        f"  data {name}: {words[name in was, name in now]}"
        for name in sorted(was.keys() | now.keys())
        if was.get(name) != now.get(name)
    ]


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _digest(version: Version, name: str) -> str:
    return version.files.get(name, "none")[:12]


def _persons(number: int) -> str:
    return "1 person" if number == 1 else f"{number} persons"


def judged_at(registry: Registry, task: Task, at: datetime) -> list[str]:
    """What judged a task at a time, and by whose approval; `registry` is the one of that time."""
    slot = registry.slot(task)
    if slot.live is None:
        return [f"{task}: rules alone judged at {when(at)}"]
    version = registry.versions[slot.live]
    move = next(move for move in reversed(version.moves) if move.stage is Stage.LIVE)
    policy = version.risen_under
    answer = cleared(registry.authority, registry.keys, version, Stage.LIVE, at, policy=policy)
    lines = [
        f"{task}: {version.name} judged at {when(at)}",
        f"  artifact {version.artifact}",
        f"  live since {when(move.at)} by {move.by} (ledger entry {move.position})",
    ]
    lines += [
        f"  approved by {vote.person} on {when(vote.at)} (ledger entry {vote.position}),"
        f" conditions: {vote.conditions}"
        for vote in answer.decision.counted
    ]
    if answer.failures:
        lines += [f"  but it was refused: {failure}" for failure in answer.failures]
    if slot.canary is not None:
        canary = registry.versions[slot.canary]
        lines.append(f"  beside the canary {canary.name}, share {canary.moves[-1].share:g}")
    return lines


def people_lines(authority: Authority) -> list[str]:
    """Persons, roles and keys."""
    rows: list[Sequence[object]] = [("person", "roles", "keys")]
    for person in authority.people.values():
        keys = ", ".join(
            f"{key.uid}{' (revoked)' if key.void_since is not None else ''}" for key in person.keys
        )
        name = f"{person.name} (left)" if person.left is not None else person.name
        rows.append((name, ", ".join(sorted(person.roles)), keys))
    return aligned(rows) if len(rows) > 1 else ["there are no persons yet: hauberk people add NAME"]


def policy_lines(policy: Policy) -> list[str]:
    """What a policy demands, in a screenful."""
    hours = f"{policy.promotion_from:%H:%M} to {policy.promotion_until:%H:%M} UTC"
    lines = [
        f"{policy.name}, digest {policy.digest[:12]}",
        f"  its change takes {_persons(policy.change.quorum)}, among them"
        f" {', '.join(policy.change.roles)}",
        f"  approvals last at most {policy.approval_days} days;"
        f" no vote has who is {', '.join(policy.conflict) or 'nobody'} of the model",
        f"  promotions on {', '.join(policy.promotion_days)}, {hours},"
        f" by {' or '.join(policy.promoted_by)}",
        "  tiers",
    ]
    lines += [
        f"    {tier.name}: risk up to {tier.risk_at_most:g}, {_persons(tier.quorum)}, among them"
        f" {', '.join(tier.roles) or 'anybody'}"
        for tier in policy.tiers
    ]
    lines.append("  gates")
    for gate in policy.gates:
        bound = "as its recipe says"
        if gate.measure is not None:
            sides = [
                f"{word} {value:g}"
                for word, value in (("at least", gate.at_least), ("at most", gate.at_most))
                if value is not None
            ]
            bound = f"{gate.measure} ({gate.use}) {' and '.join(sides)}"
        tasks = f" ({', '.join(gate.tasks)})" if gate.tasks else ""
        lines.append(f"    {gate.name}{tasks}: {bound}")
    return lines


def as_facts(version: Version, answer: Clearance) -> Mapping[str, object]:
    """A version for machines."""
    return {
        "name": version.model.name,
        "version": version.model.version,
        "task": version.model.task,
        "artifact": version.artifact,
        "stage": stage_of(version),
        "owner": version.owner,
        "trainers": list(version.trainers),
        "files": dict(version.files),
        "signed_by": answer.signed_by.uid if answer.signed_by else None,
        "risk": answer.risk.as_json(),
        "board": {
            "granted": answer.decision.granted,
            "tier": answer.decision.tier.name,
            "approved_by": list(answer.decision.persons),
            "missing": list(answer.decision.missing),
            "conditions": answer.decision.conditions.as_json(),
            "expires": answer.decision.expires.isoformat() if answer.decision.expires else None,
        },
        "refused_by": [
            {"check": f.check, "where": f.where, "what": f.what} for f in answer.failures
        ],
        "gates": [
            {
                "gate": gate.gate,
                "passed": gate.passed,
                "measured": {
                    name: {"value": one.value, "low": one.low, "high": one.high}
                    for name, one in gate.measured.items()
                },
            }
            for gate in version.report.gates
        ],
    }
