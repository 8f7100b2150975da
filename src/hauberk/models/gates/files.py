"""File safety: only plain data, checked by our own reader and, where installed, by modelscan."""

import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from hauberk.models.contents import check_content, is_weights
from hauberk.models.evaluation import exact
from hauberk.models.reading import ArtifactError

from .interface import Answer, Trial


class Files:
    """Are its files plain data of the allowed kinds."""

    name = "files"

    def __call__(self, trial: Trial) -> Answer:
        """Files that the loader would refuse, and issues that modelscan names."""
        refused = 0
        for name, blob in trial.weights.items():
            try:
                check_content(name, blob)
            except ArtifactError:
                refused += 1
            refused += not is_weights(name)
        issues, scanner = _scanned(trial)
        return Answer(
            {"refused_files": exact(refused)}
            | ({} if issues is None else {"scanner_findings": exact(issues)}),
            f"allow-list of *.safetensors and model.txt, read and bounded; {scanner}",
        )


def _scanned(trial: Trial) -> tuple[int | None, str]:
    """What another scanner finds; None where it is not there, which keeps no bound."""
    try:
        scanner = import_module("modelscan.modelscan").ModelScan()
    except ImportError:
        return None, "modelscan is not installed (hauberk[models] brings it): not run"
    with tempfile.TemporaryDirectory() as folder:
        for name, blob in trial.weights.items():
            (Path(folder) / name).write_bytes(blob)
        found: dict[str, Any] = scanner.scan(folder)
    count = int(found.get("summary", {}).get("total_issues", 0))
    return count, "modelscan over the same files"
