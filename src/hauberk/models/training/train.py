"""A recipe run from data to artifact: prepare, fit, calibrate, evaluate, pass the gates, write."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hauberk import __version__
from hauberk.models.artifact import Artifact, write_artifact
from hauberk.models.documents import SCHEMA_VERSION, digest_of
from hauberk.models.evaluation import Number, threshold_at
from hauberk.models.gates import Judge, Trial, fold_figures, gate_rules, run_gates
from hauberk.models.linear import LinearModel
from hauberk.models.perturbations import PERTURBATIONS
from hauberk.models.tensors import write_tensors
from hauberk.models.trees import TreesModel

from .calibrating import conformal_knots, platt
from .card import card
from .evaluating import evaluate
from .fitting import Estimator
from .pool import Pool
from .preparing import prepare
from .recipe import Recipe

Say = Callable[[str], None]
SMALL = 8_000


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run left: the artifact and the trial it was judged in."""

    artifact: Artifact
    trial: Trial


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    say: Say,
    *,
    live: Judge | None = None,
    sandbox: str = "none",
) -> Trained:
    """Run a recipe and write the artifact to `out` (new or empty).

    `sandbox` is what the run was confined by, for the report. Raises HauberkError.
    """
    pool = prepare(recipe, data, say)
    trial = fitted(pool, live)
    say(f"fitted {recipe.estimator.kind} on {len(trial.train):,} records")
    folds = []
    for fold in recipe.folds:
        folds.append(fold_figures(pool, fold.name, fold.hold_out, trial.seed))
        say(f"left out {fold.name}: TPR {folds[-1].numbers['tpr_at_1pct']} at 1 % FPR")
    trial = replace(trial, folds=tuple(folds))
    rules = gate_rules(recipe.task, recipe.gates)
    evaluation = {**evaluate(trial, say), "sandbox": sandbox}
    gates: list[dict[str, Any]] = []
    for rule, answer, passed in run_gates(trial, rules):
        say(f"gate {rule.name}: {'passed' if passed else 'FAILED'}")
        gates.append(
            {
                "gate": rule.name,
                "question": rule.question,
                "measured": documents(answer.measured),
                "bound": "; ".join(str(bound) for bound in rule.bounds) or "measured only",
                "passed": passed,
                "method": answer.method,
                "seed": trial.seed,
            }
        )
    model = _model_document(pool, trial)
    sources = {
        "schema_version": SCHEMA_VERSION,
        "sources": [manifest.document() for manifest in pool.manifests],
    }
    report = {"schema_version": SCHEMA_VERSION, "gates": gates, "evaluation": evaluation}
    artifact = write_artifact(
        out,
        model=model,
        data=sources,
        report=report,
        card=card(recipe, model, sources, report),
        weights=trial.weights,
    )
    return Trained(artifact, trial)


def documents(numbers: Mapping[str, Number]) -> dict[str, dict[str, float]]:
    """Numbers as they stand in a report; what is no number is left out."""
    return {name: one.document() for name, one in numbers.items() if one.value == one.value}


def fitted(pool: Pool, live: Judge | None = None) -> Trial:
    """Fit the candidate on its training part, and gather what gates need."""
    recipe, samples = pool.recipe, pool.samples
    seed = recipe.seeds[0]
    train_rows = samples.where(parts=("train",))
    random = np.random.default_rng(seed)
    small = np.sort(random.permutation(train_rows)[:SMALL])
    calibrate = samples.where(parts=("calibrate",))
    trial = Trial(
        pool=pool,
        estimator=pool.fit(train_rows),
        train=train_rows,
        small=small,
        calibrate=calibrate,
        test=samples.where(parts=("test",)),
        thresholds={},
        perturb=PERTURBATIONS.get(recipe.task),
        live=live,
        weights={},
        seed=seed,
    )
    estimator = trial.estimator
    ordinary = pool.score(estimator, samples.where(label=0, parts=("calibrate",)))
    thresholds = {
        "alert": threshold_at(ordinary, recipe.alert_fpr),
        "one_percent": threshold_at(ordinary, 0.01),
    }
    return replace(
        trial, estimator=estimator, thresholds=thresholds, weights=_weights(pool, estimator)
    )


def _weights(pool: Pool, estimator: Estimator) -> dict[str, bytes]:
    arrays = dict(pool.features.learned().arrays)
    files: dict[str, bytes] = {}
    if isinstance(estimator, LinearModel):
        arrays |= estimator.arrays()
    elif isinstance(estimator, TreesModel):
        files["model.txt"] = estimator.text.encode()
    if arrays:
        files["weights.safetensors"] = write_tensors(arrays)
    return files


def _model_document(pool: Pool, trial: Trial) -> dict[str, Any]:
    recipe = pool.recipe
    labels = pool.samples.labels[trial.calibrate]
    scores = pool.score(trial.estimator, trial.calibrate)
    knots, p_values = conformal_knots(scores[labels == 0])
    slope, offset = platt(scores, labels)
    schema = dict(pool.features.learned().schema)
    return {
        "schema_version": SCHEMA_VERSION,
        "name": recipe.name,
        "version": recipe.version,
        "task": str(recipe.task),
        "estimator": recipe.estimator.kind,
        "features": {"schema": schema, "digest": digest_of(schema)},
        "classes": list(recipe.classes),
        "thresholds": {name: round(value, 9) for name, value in trial.thresholds.items()},
        "calibration": {"scores": knots, "p_values": p_values},
        "scope": {"task": str(recipe.task)}
        | ({"event_class": recipe.scope} if recipe.scope else {}),
        "seeds": list(recipe.seeds),
        "recipe_digest": recipe.digest,
        "code_version": __version__,
        "parameters": {
            **recipe.estimator.parameters,
            "probability": {"slope": slope, "offset": offset},
        },
    }
