"""CycloneDX 1.7 ML-BOM: a model, its data, its gates and its approvals as a bill of materials.

The same registry at the same time gives the same document. `serialNumber` is made of the artifact's
digest, so that the bill of one artifact is always the same bill.

Source: ECMA-424, CycloneDX 1.7 JSON, `modelCard` of a `machine-learning-model` component.
"""

import uuid
from datetime import UTC, datetime

from hauberk.models.clearance import Clearance
from hauberk.models.documents import DataSource, GateResult
from hauberk.models.versions import Version

_NAMESPACE = uuid.UUID("a7c1a7a0-7a53-4b6e-9c33-1f2f0a5f9a10")
_SPDX = frozenset({
    "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "MIT",
    "ODbL-1.0", "PDDL-1.0", "CC-BY-NC-4.0", "GPL-3.0-only", "Unlicense",
})  # fmt: skip
"""Licence ids that are given as such; any other licence is given by name."""


def ml_bom(version: Version, answer: Clearance, now: datetime) -> dict[str, object]:
    """The bill of materials of one version, with what the board said of it by `now`."""
    model = version.model
    reference = f"model:{version.artifact}"
    datasets = [_dataset(source) for source in version.data]
    component = {
        "type": "machine-learning-model",
        "bom-ref": reference,
        "name": model.name,
        "version": model.version,
        "description": f"{model.estimator}, judges {model.task}",
        "hashes": [{"alg": "SHA-256", "content": version.artifact}],
        "modelCard": {
            "bom-ref": f"card:{version.artifact}",
            "modelParameters": {
                "approach": {"type": "supervised"},
                "task": "classification",
                "architectureFamily": model.estimator,
                "datasets": [{"ref": dataset["bom-ref"]} for dataset in datasets],
                "inputs": [{"format": str(model.task)}],
                "outputs": [{"format": "score and p-value"}],
            },
            "quantitativeAnalysis": {
                "performanceMetrics": [
                    metric for gate in version.report.gates for metric in _metrics(gate)
                ]
            },
            "considerations": {
                "useCases": [f"detection in {model.task}, by {answer.conditions}"],
                "technicalLimitations": [
                    f"gate {gate.gate} did not hold: {gate.bound}"
                    for gate in version.report.gates
                    if not gate.passed
                ],
                "ethicalConsiderations": [
                    {
                        "name": f"risk {answer.risk.score:g} of 125 ({answer.decision.tier.name})",
                        "mitigationStrategy": str(answer.decision),
                    }
                ],
            },
        },
        "properties": [
            _property("artifact", version.artifact),
            _property("stage", version.stage),
            _property("recipe", model.recipe_digest),
            _property("code", model.code_version),
            *(_property(f"file:{name}", digest) for name, digest in sorted(version.files.items())),
            *(_property("approved-by", person) for person in answer.decision.persons),
        ],
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.7",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, version.artifact)}",
        "version": 1,
        "metadata": {
            "timestamp": f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "tools": {"components": [{"type": "application", "name": "hauberk"}]},
            "component": component,
        },
        "components": datasets,
        "dependencies": [
            {"ref": reference, "dependsOn": [dataset["bom-ref"] for dataset in datasets]}
        ],
    }


def _dataset(source: DataSource) -> dict[str, object]:
    licence: dict[str, object] = (
        {"license": {"id": source.licence}}
        if source.licence in _SPDX
        else {"license": {"name": source.licence}}
    )
    found: dict[str, object] = {
        "type": "data",
        "bom-ref": f"data:{source.name}",
        "name": source.name,
        "licenses": [licence],
        "data": [{"type": "dataset", "name": source.name, "description": source.purpose}],
        "properties": [
            _property("rows", source.rows),
            _property("rows-after-dedupe", source.rows_after_dedupe),
            _property("groups", source.groups),
            _property("synthetic-share", source.synthetic_share),
            _property("redistribution", str(source.redistribution).lower()),
            _property("purpose", source.purpose),
            *(_property(f"file:{path}", digest) for path, digest in sorted(source.files.items())),
        ],
    }
    return found


def _metrics(gate: GateResult) -> list[dict[str, object]]:
    return [
        {
            "type": f"{gate.gate}.{name}",
            "value": f"{one.value:g}",
            "confidenceInterval": {
                "lowerBound": f"{one.low:g}", "upperBound": f"{one.high:g}",
            },
        }
        for name, one in gate.measured.items()
    ]  # fmt: skip


def _property(name: str, value: object) -> dict[str, str]:
    return {"name": f"hauberk:{name}", "value": str(value)}
