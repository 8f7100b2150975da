"""A tiny real model: logistic weights in safetensors, with true documents beside them."""

from pathlib import Path
from typing import Any

import numpy as np

from hauberk.models import Artifact, digest_of, write_artifact, write_tensors

FEATURES = {"kind": "character n-grams", "n": [1, 2], "buckets": 16}


def model_json(**changes: Any) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "name": "tiny-domains",
        "version": "1.0.0",
        "task": "domain",
        "estimator": "linear-ngram",
        "features": {"schema": FEATURES, "digest": digest_of(FEATURES)},
        "classes": ["benign", "generated"],
        "thresholds": {"alert": 0.9},
        "calibration": {"scores": [0.0, 0.5, 1.0], "p_values": [1.0, 0.1, 0.001]},
        "scope": {"task": "domain", "event_class": "dns_activity"},
        "seeds": [7],
        "recipe_digest": "a" * 64,
        "code_version": "0.2.0",
        **changes,
    }


def data_json(**changes: Any) -> dict[str, Any]:
    source = {
        "name": "made-up",
        "files": [{"path": "domains.csv", "sha256": "b" * 64}],
        "rows": 100,
        "rows_after_dedupe": 90,
        "groups": 9,
        "licence": "CC0-1.0",
        "redistribution": True,
        "purpose": "network defence",
        "synthetic_share": 1.0,
        "lineage": [],
    }
    return {"schema_version": 1, "sources": [{**source, **changes}]}


def gate(name: str, passed: bool = True, **measured: object) -> dict[str, Any]:
    return {
        "gate": name,
        "question": f"What does {name} say?",
        "measured": measured,
        "bound": "as the recipe says",
        "passed": passed,
        "method": "counted",
        "seed": 7,
    }


def gates() -> list[dict[str, Any]]:
    return [
        gate("holdout", tpr_at_fpr_1pct={"value": 0.93, "low": 0.9, "high": 0.95}, auc=0.98),
        gate("sources", mean_tpr_at_1pct=0.91),
        gate("drift", detected_share=0.9),
        gate("evasion", robust_tpr={"value": 0.7, "low": 0.6, "high": 0.8}, detected_share=0.6),
        gate("poisoning", worst_loss=0.03, detected_share=0.7),
        gate("extraction", detected_share=0.8),
        gate("membership", attack_auc=0.52),
        gate("privacy", addresses=0),
        gate("cost", mebibytes=0.01, slow=0),
        gate("files", refused_files=0),
    ]


def report_json(gate_results: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    results = gates() if gate_results is None else gate_results
    return {"schema_version": 1, "gates": results, "evaluation": {"auc": 0.98}}


def tiny_model(folder: Path, *, report: dict[str, Any] | None = None, **changes: Any) -> Artifact:
    """Write a whole model folder; `changes` are fields of model.json."""
    weights = np.linspace(-1, 1, 16).astype(np.float32)
    seed = np.float32(len(str(changes.get("version", ""))))
    return write_artifact(
        folder,
        model=model_json(**changes),
        data=data_json(),
        report=report or report_json(),
        card="# tiny-domains\n",
        weights={"weights.safetensors": write_tensors({"coef": weights, "bias": np.array([seed])})},
    )
