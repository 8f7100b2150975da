"""A model trained anew because it drifted: from the request in the ledger to a candidate.

The machine goes as far as the gates. The candidate is registered with what they measured; signing,
the board and every stage are left to persons.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hauberk.errors import HauberkError, UsageError
from hauberk.governance import PersonalKey
from hauberk.store import Home

from .artifact import Artifact, read_artifact
from .inference import Judging
from .registering import record_training, register
from .registry import Registry
from .storage import folder_of
from .training.job import Say, run
from .training.recipe import BUILT_IN, Recipe, read_recipe
from .versions import Stage, Version
from .watching import is_open


@dataclass(frozen=True, slots=True)
class Request:
    """A live model that was asked to be trained anew, and by which measures."""

    version: Version
    position: int
    measures: tuple[str, ...]


def requests(registry: Registry) -> list[Request]:
    """What stands open: live models that drifted since they last moved, and were not trained."""
    found = []
    for version in registry.versions.values():
        if version.stage is not Stage.LIVE or not is_open(registry, version):
            continue
        asked = [
            one for one in registry.retraining
            if one.body["statement"]["artifact"] == version.artifact
        ][-1]  # fmt: skip
        answered = any(
            run.position > asked.position
            and run.body["statement"].get("for_request") == asked.position
            for run in registry.runs
        )
        if not answered:
            said = asked.body["statement"]["measures"]
            measures = tuple(f"{one['metric']} {one['value']:.3g}" for one in said)
            found.append(Request(version, asked.position, measures))
    return found


def recipe_of(version: Version, further: Sequence[Path] = ()) -> Path:
    """The recipe, of those given and the shipped ones, that made a version. Raises UsageError."""
    for path in (*further, *sorted(BUILT_IN.glob("*.toml"))):
        if read_recipe(path).digest == version.model.recipe_digest:
            return path
    raise UsageError(
        f"no recipe here made {version.name}",
        where=f"recipe {version.model.recipe_digest[:12]}",
        hint="Name its file: --recipe FILE",
    )


def next_version(registry: Registry, recipe: Recipe) -> str:
    """The recipe's version, with a number behind it where that one is taken."""
    taken = {one.model.version for one in registry.versions.values()
             if one.model.name == recipe.name}  # fmt: skip
    number, version = 0, recipe.version
    while version in taken:
        number += 1
        version = f"{recipe.version}.{number}"
    return version


def retrain(
    home: Path,
    registry: Registry,
    request: Request,
    recipe: Path,
    data: Path,
    out: Path,
    say: Say,
    *,
    sandbox: bool = True,
) -> Artifact:
    """Run the recipe on the data as it is now, compared with the live model where that can judge.

    Reads the home's files alone, so that scans go on meanwhile.
    """
    live: Path | None = folder_of(home, request.version.artifact)
    try:
        assert live is not None
        Judging(read_artifact(live, expected=request.version.files))
    except HauberkError:
        live = None
        say("the live model cannot judge here: the candidate is compared with a simple baseline")
    version = next_version(registry, read_recipe(recipe))
    run(recipe, data, out, say, live=live, sandbox=sandbox, version=version)
    return read_artifact(out)


def enter_candidate(
    home: Home, artifact: Artifact, key: PersonalKey, request: Request | None = None
) -> Artifact:
    """Record the run and register what it gave, unsigned. Raises RefusedError."""
    record_run(home, artifact, key, request)
    return register(home, artifact.folder, key)


def record_run(
    home: Home, artifact: Artifact, key: PersonalKey, request: Request | None = None
) -> None:
    """Record who ran which recipe, over which data, how confined, and what it gave."""
    model, evaluation = artifact.model, artifact.report.evaluation
    facts: dict[str, object] = {
        "recipe": model.recipe_digest,
        "name": f"{model.name}@{model.version}",
        "code_version": model.code_version,
        "sandbox": str(evaluation.get("sandbox", "unknown")),
        "data": artifact.files["data.json"],
        "gates_failed": [gate.gate for gate in artifact.report.gates if not gate.passed],
    }
    if request is not None:
        facts["for_request"] = request.position
    record_training(home, artifact.digest, key.person, key=key, **facts)
