"""`hauberk models train` and `hauberk models evaluate`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from hauberk.models import read_artifact
from hauberk.models.training.job import run

from .models import models_app
from .output import screen, stdout

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
    no_sandbox: Annotated[
        bool, typer.Option("--no-sandbox", help="Train unconfined; the report will say so.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a model by a recipe, without network, and measure every gate.

    Ends with 0 though gates failed: whether the model may judge is the board's to say.
    """
    console = screen(stderr=True)
    digest = run(
        recipe,
        data,
        out,
        lambda text: console.print(text, markup=False, highlight=False),
        live=live,
        sandbox=not no_sandbox,
    )
    _show(out, digest, as_json=as_json)


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
