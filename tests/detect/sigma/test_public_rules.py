"""The public rules: how much of them compiles, and that they fire on what they were made for."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from hauberk.detect.sigma import Engine, RuleSet, load_rules
from hauberk.ingest.formats.windows import Evtx
from hauberk.ingest.interface import RecordBatch

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rules(shared_data: Callable[[str], Path]) -> RuleSet:
    return load_rules([shared_data("sigma-rules")])


@pytest.fixture(scope="module")
def engine(rules: RuleSet) -> Engine:
    return Engine(rules)


def test_nearly_all_public_rules_compile(rules: RuleSet, engine: Engine) -> None:
    total = len(rules.rules) + len(rules.refusals)
    assert total > 3_000
    assert len(rules.rules) / total >= 0.97, [refusal.reason for refusal in rules.refusals]
    assert all(refusal.reason and refusal.line >= 1 for refusal in rules.refusals)
    idle = [rule.path for i, rule in enumerate(rules.rules) if not engine.selectors(i)]
    assert len(idle) / total < 0.01, idle


def test_public_rules_fire_on_their_own_recorded_events(
    shared_data: Callable[[str], Path], rules: RuleSet, engine: Engine
) -> None:
    numbers = {rule.uid: number for number, rule in enumerate(rules.rules)}
    root = shared_data("sigma-regression") / "sigma"
    tried, missed = 0, []
    for info in sorted(root.rglob("info.yml")):
        facts = yaml.safe_load(info.read_text("utf-8"))
        number = numbers.get(facts["rule_metadata"][0]["id"])
        for test in facts.get("regression_tests_info", ()):
            if number is None or test.get("type") != "evtx":
                continue
            data = (root / test["path"]).read_bytes()
            parsed = Evtx().parse(
                RecordBatch(data=data[4096:], source=test["path"], offset=4096, head=data[:4096])
            )
            tried += 1
            if not any(
                number in fired
                for part in parsed.groups
                for _, fired in engine.match(part.group.key, part.group.fields)
            ):
                missed.append(rules.rules[number].title)
    assert tried > 150
    assert not missed
