"""Rules from text, and rows judged by them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from hauberk.detect.sigma import Engine, RuleSet, load_rules
from hauberk.detect.sigma.rows import RowFields
from hauberk.events import LogKey

SYSMON = LogKey("windows", "sysmon", "1")
Row = Mapping[str, object]


@pytest.fixture
def rules_of(tmp_path: Path) -> Callable[..., RuleSet]:
    """Compile rules from detections (mappings), or whole rules where `logsource` is given."""
    count = 0

    def compile_all(*detections: Mapping[str, object], **common: object) -> RuleSet:
        nonlocal count
        count += 1
        folder = tmp_path / f"rules{count}"
        folder.mkdir()
        for number, detection in enumerate(detections):
            rule = {
                "title": f"rule {number}",
                "id": f"00000000-0000-4000-8000-{number:012d}",
                "level": "high",
                "logsource": {"product": "windows", "category": "process_creation"},
                "detection": detection,
                **common,
            }
            text = yaml.safe_dump(rule, allow_unicode=True)
            (folder / f"{number:04}.yml").write_text(text, "utf-8")
        return load_rules([folder])

    return compile_all


@pytest.fixture
def fires(rules_of: Callable[..., RuleSet]) -> Callable[[Mapping[str, object], Row], bool]:
    """Whether a rule of one detection fires on one row of a process creation."""

    def judge(detection: Mapping[str, object], row: Row) -> bool:
        rules = rules_of(detection)
        assert not rules.refusals, rules.refusals[0].reason
        return bool(list(Engine(rules).match(SYSMON, RowFields([row]))))

    return judge
