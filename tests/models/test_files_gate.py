"""The gate of files: plain data alone, and another scanner's word where there is one."""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hauberk.models import write_tensors
from hauberk.models.gates import gate_rules
from hauberk.models.gates.files import Files

PLAIN = {"weights.safetensors": write_tensors({"coef": np.zeros(3, np.float32)})}


def trial(weights: dict[str, bytes]) -> Any:
    """All that this gate looks at."""
    return SimpleNamespace(weights=weights)


def held(answer: Any) -> bool:
    bounds = gate_rules("domain", {})["files"].bounds
    return all(bound.holds(answer.measured.get(bound.measure)) for bound in bounds)


def test_without_the_other_scanner_nothing_is_said_of_it_and_the_gate_does_not_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "modelscan.modelscan", None)
    answer = Files()(trial(PLAIN))
    assert answer.measured["refused_files"].value == 0
    assert "scanner_findings" not in answer.measured
    assert "not installed" in answer.method
    assert not held(answer)


def test_with_the_other_scanner_plain_files_hold() -> None:
    pytest.importorskip("modelscan.modelscan")
    answer = Files()(trial(PLAIN))
    assert answer.measured["scanner_findings"].value == 0
    assert held(answer)


def test_a_file_that_could_run_code_is_refused() -> None:
    assert Files()(trial({"weights.pkl": b"\x80\x04N."})).measured["refused_files"].value >= 1
