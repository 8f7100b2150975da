"""Recipes, splits, gates' bounds, and confinement."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hauberk.errors import UsageError
from hauberk.models.evaluation import Number
from hauberk.models.gates import GATES, gate_rules
from hauberk.models.training import sandbox
from hauberk.models.training.recipe import BUILT_IN, parse_recipe, read_recipe
from hauberk.models.training.samples import Samples, deduplicated, divided
from hauberk.models.training.splitting import check_way, hold_out

NAMES = sorted(path.stem for path in BUILT_IN.glob("*.toml"))


def samples(groups, labels, sources, keys=None):
    count = len(groups)
    return Samples(
        list(range(count)), np.array(labels, np.int8), np.array(sources), np.array(groups),
        np.array(keys or [str(one) for one in range(count)]), np.full(count, np.nan),
        np.full(count, "train"),
    )  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_shipped_recipes_read_and_hold_out_sources_that_they_have(name):
    recipe = read_recipe(Path(name))
    assert recipe.folds
    assert all(not source.redistribution or source.synthetic for source in recipe.sources)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("version", "versoin"), "versoin is no field"),
        (('by = "family"', "by = 3"), "expected str"),
        (('role = "test"', 'role = "tset"'), "train, test or words"),
        (('hold_out = ["tinba"]', 'hold_out = ["nobody"]'), "what is no source"),
        (("[estimator]", "[estimator"), "no TOML"),
    ],
)
def test_a_fault_in_a_recipe_is_named(change, said):
    text = (BUILT_IN / "generated-domains.toml").read_text().replace(*change)
    with pytest.raises(UsageError, match=said):
        parse_recipe(text.encode(), "a.toml")


def test_a_recipe_may_tighten_a_gate_and_never_loosen_it():
    tight = gate_rules("domain", {"evasion": {"robust_tpr": {"at_least": 0.9}}})
    assert "robust_tpr >= 0.9" in {str(bound) for bound in tight["evasion"].bounds}
    with pytest.raises(UsageError, match="policy"):
        gate_rules("domain", {"evasion": {"robust_tpr": {"at_least": 0.1}}})
    with pytest.raises(UsageError, match="no gate"):
        gate_rules("domain", {"evasoin": {}})


def test_every_gate_has_a_rule_and_the_worse_end_of_an_interval_decides():
    rules = gate_rules("mail", {})
    assert {gate.name for gate in GATES} == set(rules)
    bound = next(one for one in rules["evasion"].bounds if one.measure == "robust_tpr")
    assert bound.holds(Number(0.5, 0.4, 0.6))
    assert not bound.holds(Number(0.5, 0.2, 0.6))
    assert not bound.holds(None)


def test_a_random_split_is_refused_where_groups_exist_and_allowed_where_none_do():
    with pytest.raises(UsageError, match="random split"):
        check_way("random", samples(["a", "a"], [0, 1], ["s", "s"]), "split")
    check_way("random", samples(["a", "b"], [0, 1], ["s", "s"]), "split")


def test_a_thread_in_two_corpora_is_tested_on_and_not_trained_on():
    groups = [f"g{at}" for at in range(100)] + ["g0", "g1"] + [f"h{at}" for at in range(98)]
    found = hold_out(
        samples(groups, [0, 1] * 50 + [0, 1] * 50, ["one"] * 100 + ["two"] * 100), "two", ("two",)
    )
    assert 0 not in found.train
    assert 1 not in found.train
    assert len(found.train) == 98


def test_duplicates_are_kept_once_and_contradictions_not_at_all():
    kept = deduplicated(
        samples(["a"] * 5, [0, 0, 1, 1, 0], ["s"] * 5, keys=["x", "x", "y", "z", "z"])
    )
    assert kept.keys.tolist() == ["x", "y"]


def test_parts_never_divide_a_group():
    groups = [f"g{at // 3}" for at in range(300)]
    parted = divided(samples(groups, [0] * 300, ["s"] * 300), groups, (0.25,) * 4, 3)
    for group in set(groups):
        assert len(set(parted.parts[parted.groups == group])) == 1
    assert len(set(parted.parts)) == 4


PROBE = """
import socket, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import sandbox
out = Path(sys.argv[2])
try:
    sandbox.confine(out, {"cpu_seconds": 20, "memory_mib": 512, "output_mib": 4})
except sandbox.RefusedByHostError as error:
    print("refused", error)
    sys.exit(9)
(out / "inside").write_text("written")
try:
    (out.parent / "outside").write_text("written")
except OSError:
    print("read-only")
try:
    socket.create_connection(("192.0.2.1", 80), 1)
except OSError as error:
    print("offline" if error.errno == 101 else error)
try:
    bytearray(1 << 30)
except MemoryError:
    print("bounded")
"""


def test_a_confined_process_writes_its_output_alone_and_has_no_network(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    folder = str(Path(sandbox.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-c", PROBE, folder, str(out)], capture_output=True, text=True, check=False
    )
    if done.returncode == 9:
        pytest.skip(f"this host does not allow namespaces: {done.stdout}")
    assert done.stdout.split() == ["read-only", "offline", "bounded"]
    assert (out / "inside").read_text() == "written"
    assert not (tmp_path / "outside").exists()


def test_what_the_host_refuses_is_an_error_and_never_skipped(monkeypatch, capsys, tmp_path):
    def refuse(out: Path, limits: dict[str, int]) -> str:
        raise sandbox.RefusedByHostError("unshare: EPERM")

    monkeypatch.setattr(sandbox, "confine", refuse)
    with pytest.raises(SystemExit):
        sandbox.main({"sandbox": True, "out": str(tmp_path), "limits": {}})
    assert "--no-sandbox" in json.loads(capsys.readouterr().out)["hint"]
