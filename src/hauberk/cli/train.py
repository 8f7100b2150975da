"""`hauberk models train`, `hauberk models retrain` and `hauberk models evaluate`."""

import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from hauberk.models import read_artifact, read_registry
from hauberk.models.retraining import enter_candidate, recipe_of, record_run, requests, retrain
from hauberk.models.training.job import run

from . import acting
from .home import Home
from .models import models_app
from .output import screen, stdout

NoSandbox = Annotated[
    bool, typer.Option("--no-sandbox", help="Train unconfined; the report will say so.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@models_app.command("train")
def train(
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE", help="A recipe's file, or a shipped one's name.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where the artifact goes: new or empty.")
    ],
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Where the recipe's data sets lie.")
    ] = Path(),
    live: Annotated[
        Path | None,
        typer.Option("--live", metavar="DIR", help="A model to compare with on held-out data."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", help="Who trains: the run is recorded in the ledger."),
    ] = None,
    no_sandbox: NoSandbox = False,
    key: acting.Key = None,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Train a model by a recipe, without network, and measure every gate.

    Ends with 0 though gates failed: whether the model may judge is the board's to say.
    """
    person = acting.signer(by, key) if by else None
    digest = run(recipe, data, out, _say, live=live, sandbox=not no_sandbox)
    if person is not None:
        with acting.for_writing(home) as opened:
            record_run(opened, read_artifact(out), person)
    else:
        _say("in no ledger: --as NAME records the run, and lineage shows it")
    _show(out, digest, as_json=as_json)


@models_app.command("retrain")
def retrain_drifted(
    by: acting.As,
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Where the recipes' data sets lie now.")
    ] = Path(),
    recipe: Annotated[
        list[Path] | None,
        typer.Option("--recipe", metavar="FILE", help="A recipe that is not shipped; repeatable."),
    ] = None,
    no_sandbox: NoSandbox = False,
    key: acting.Key = None,
    home: Home = None,
) -> None:
    """Train anew each live model that drift asks it of, up to the gates and the signature.

    Each becomes a candidate, unsigned, with what its gates measured. Meant to be run by a timer.
    """
    person = acting.signer(by, key)
    with acting.for_reading(home) as opened:
        registry, path = read_registry(opened), opened.path
    asked = requests(registry)
    if not asked:
        _say("no model was asked to be trained anew")
    for request in asked:
        chosen = recipe_of(request.version, recipe or ())
        _say(f"{request.version.name} drifted: {', '.join(request.measures)}")
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch) / "candidate"
            artifact = retrain(
                path, registry, request, chosen, data, out, _say, sandbox=not no_sandbox
            )
            with acting.for_writing(home) as opened:
                enter_candidate(opened, artifact, person, request)
        failed = [gate.gate for gate in artifact.report.gates if not gate.passed]
        told = f"failed gates: {', '.join(failed)}" if failed else "all gates passed"
        name = f"{artifact.model.name}@{artifact.model.version}"
        acting.tell([f"{name} is a candidate, {told}; it is not signed"])


def _say(text: str) -> None:
    screen(stderr=True).print(text, markup=False, highlight=False)


@models_app.command("evaluate")
def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="An artifact's folder.")],
    as_json: Json = False,
) -> None:
    """Show what was measured of an artifact: each gate with its numbers and its bound."""
    _show(folder, read_artifact(folder).digest, as_json=as_json)


def _show(folder: Path, digest: str, *, as_json: bool) -> None:
    artifact = read_artifact(folder)
    gates: list[dict[str, Any]] = [
        {
            "gate": gate.gate,
            "passed": gate.passed,
            "bound": gate.bound,
            "measured": {
                name: {"value": one.value, "low": one.low, "high": one.high}
                for name, one in gate.measured.items()
            },
        }
        for gate in artifact.report.gates
    ]
    if as_json:
        answer = {
            "digest": digest, "name": artifact.model.name, "version": artifact.model.version,
            "gates": gates, "evaluation": dict(artifact.report.evaluation),
        }  # fmt: skip
        with stdout() as stream:
            stream.write(json.dumps(answer, indent=1) + "\n")
        return
    console = screen()
    name = f"{artifact.model.name} {artifact.model.version}"
    console.print(f"{name}  {digest}", markup=False, highlight=False)
    for gate in gates:
        word = "passed" if gate["passed"] else "FAILED"
        console.print(
            f"  {gate['gate']:<12} {word}  {gate['bound']}", markup=False, highlight=False
        )
        for bound in gate["bound"].split("; "):
            measure = bound.split(" ")[0]
            found = gate["measured"].get(measure)
            if found:
                text = f"{measure} {found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
                console.print(f"  {'':<12} {text}", markup=False, highlight=False)
