"""Logs, partitions and memories: what attackers choose must not cost more than its share."""

from collections.abc import Callable

import pytest

from hauberk.detect.sigma import Engine, RuleSet, load_taxonomy
from hauberk.detect.sigma.rows import RowFields
from hauberk.events import LogKey

SYSMON = LogKey("windows", "sysmon", "1")
HUGE = 10**5000


def repr_type(value: object) -> str:
    return type(value).__name__


Compile = Callable[..., RuleSet]


def fired(engine: Engine, key: LogKey, *rows: dict[str, object]) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in rows]
    for row, numbers in engine.match(key, RowFields(rows)):
        found[row] = sorted(engine.rules.rules[number].title for number in numbers)
    return found


def test_a_rule_reads_the_logs_of_its_source_alone(rules_of: Compile) -> None:
    engine = Engine(rules_of({"sel": {"Image|endswith": "a.exe"}, "condition": "sel"}))
    row: dict[str, object] = {"Image": "C:\\a.exe", "NewProcessName": "C:\\a.exe"}
    assert fired(engine, SYSMON, row) == [["rule 0"]]
    assert fired(engine, LogKey("Windows", "SYSMON", "1"), row) == [["rule 0"]]
    assert fired(engine, LogKey("windows", "security", "4688"), row) == [["rule 0"]]
    assert fired(engine, LogKey("windows", "sysmon", "3"), row) == [[]]
    assert fired(engine, LogKey("linux", "sysmon", "1"), row) == [[]]


def test_fields_have_the_names_of_the_log_that_is_read(rules_of: Compile) -> None:
    detection = {
        "sel": {
            "Image|endswith": "a.exe", "ParentImage|endswith": "b.exe", "CommandLine": "x",
            "User|endswith": "ann", "IntegrityLevel": "High",
        },
        "condition": "sel",
    }  # fmt: skip
    engine = Engine(rules_of(detection))
    row: dict[str, object] = {
        "NewProcessName": "C:\\a.exe", "ParentProcessName": "b.exe", "ProcessCommandLine": "X",
        "SubjectUserName": "ann", "MandatoryLabel": "S-1-16-12288",
    }  # fmt: skip
    assert fired(engine, LogKey("windows", "security", "4688"), row) == [["rule 0"]]
    assert fired(engine, SYSMON, row) == [[]]


def test_a_registry_value_of_the_security_log_is_spelled_as_sysmon_does(rules_of: Compile) -> None:
    rules = rules_of(
        {"sel": {"TargetObject": "HKLM\\Software\\Run\\x", "Details": "y"}, "condition": "sel"},
        logsource={"product": "windows", "category": "registry_set"},
    )
    row: dict[str, object] = {
        "ObjectName": "\\REGISTRY\\MACHINE\\SOFTWARE\\Run", "ObjectValueName": "x", "NewValue": "y",
    }  # fmt: skip
    assert fired(Engine(rules), LogKey("windows", "security", "4657"), row) == [["rule 0"]]


def test_the_event_code_of_the_log_decides_rules_that_name_one(rules_of: Compile) -> None:
    rules = rules_of(
        {"sel": {"EventID": [4624, "4625"], "F": "x"}, "condition": "sel"},
        {"sel": {"EventID": 4624}, "condition": "not sel"},
        {"sel": {"EventID|gt": 4624}, "condition": "sel"},
        logsource={"product": "windows", "service": "security"},
    )
    engine = Engine(rules)
    security = [LogKey("windows", "security", code) for code in ("4624", "4625", "9999", "")]
    row: dict[str, object] = {"F": "X"}
    assert fired(engine, security[0], row) == [["rule 0"]]
    assert fired(engine, security[1], row) == [["rule 0", "rule 1"]]
    assert fired(engine, security[2], row | {"EventID": 9999}) == [["rule 1", "rule 2"]]
    assert fired(engine, security[3], row | {"EventID": 4625}) == [["rule 0", "rule 1", "rule 2"]]


def test_logs_that_no_rule_names_share_one_plan(rules_of: Compile) -> None:
    rules = rules_of({"sel": {"EventID": 1}, "condition": "sel"}, logsource={"product": "windows"})
    engine = Engine(rules)
    for number in range(3_000):
        key = LogKey("windows", f"Channel-{number}", str(number + 2))
        assert fired(engine, key, {"F": "x"}) == [[]]
    assert len(engine._plans) <= 2


def test_one_two_true_and_their_texts_are_told_apart_from_memory(rules_of: Compile) -> None:
    engine = Engine(
        rules_of(
            {"sel": {"F": 1}, "condition": "sel"},
            {"sel": {"F": True}, "condition": "sel"},
            {"sel": {"F": None}, "condition": "sel"},
        )
    )
    values: list[object] = [1, True, 1.0, "1", "true", None, [True], [1], [], [None], False, 0, "x"]
    numeric, boolean, null = ["rule 0"], ["rule 1"], ["rule 2"]
    expected = [
        numeric, boolean, numeric, numeric, boolean, null, boolean, numeric, null, null, [], [], [],
    ]  # fmt: skip
    for _ in range(2):
        assert fired(engine, SYSMON, *[{"F": value} for value in values]) == expected
        assert [fired(engine, SYSMON, {"F": value})[0] for value in values] == expected
        assert [fired(engine, SYSMON, {"F": value})[0] for value in values[::-1]] == expected[::-1]


def test_memory_stays_bounded_under_values_that_never_repeat(rules_of: Compile) -> None:
    limit = 1 << 20
    engine = Engine(
        rules_of({"sel": {"F|contains": ["needle", "x1", "x2", "x3"]}, "condition": "sel"}),
        memory=limit,
    )
    hits = 0
    for batch in range(40):
        rows: list[dict[str, object]] = [
            {"F": f"{batch} {i} x{i % 7} " + "pad" * 50} for i in range(500)
        ]
        hits += sum(map(len, fired(engine, SYSMON, *rows)))
        held = sum(len(plan._rows) for plan in engine._plans.values())
        held += sum(len(s.memory) for plan in engine._plans.values() for s in plan._slots)
        assert held < limit // 150 + 1_000
        assert engine._budget.used < 2 * limit
    assert hits == sum(1 for _ in range(40) for i in range(500) if i % 7 in (1, 2, 3))


def test_long_values_are_matched_and_remembered_by_digest(rules_of: Compile) -> None:
    engine = Engine(rules_of({"sel": {"F|contains": "needle"}, "condition": "sel"}))
    long = "x" * 1_000_000
    rows: list[dict[str, object]] = [{"F": long + "NEEDLE"}, {"F": long}, {"F": [long + "needle"]}]
    assert fired(engine, SYSMON, *rows, *rows) == [["rule 0"], [], ["rule 0"]] * 2
    (slot,) = next(iter(engine._plans.values()))._slots
    assert not any(isinstance(key, str) for key in slot.memory)


STRANGE = ["\ud800 needle", "needle\x00", HUGE, float("nan"), b"x", {}]


@pytest.mark.parametrize("value", STRANGE, ids=repr_type)
def test_strange_values_raise_nothing(rules_of: Compile, value: object) -> None:
    engine = Engine(
        rules_of(
            {"sel": {"F|contains": "needle"}, "condition": "sel"},
            {"sel": {"F|re": "need.e"}, "condition": "sel"},
            {"sel": {"F|gt": 5}, "condition": "sel"},
            {"sel": {"F|hour": 5}, "condition": "sel"},
            {"sel": {"F|cidr": "10.0.0.0/8"}, "condition": "sel"},
            {"sel": {"F|contains": "n*?dle"}, "condition": "sel"},
            {"keys": ["needle"], "condition": "keys"},
        )
    )
    found = fired(engine, SYSMON, {"F": value})[0]
    assert ("rule 0" in found) is (isinstance(value, str))
    assert ("rule 1" in found) is ("rule 6" in found) is (isinstance(value, str))


def test_every_category_of_sysmon_has_its_log() -> None:
    taxonomy = load_taxonomy()
    codes = {
        code
        for source, selectors in taxonomy.logs.items()
        if source.product == "windows"
        for selector in selectors
        if selector.service == "sysmon"
        for code in selector.codes
    }
    assert {str(code) for code in [*range(1, 30), 255]} <= codes


def test_keys_spelled_anew_in_each_record_make_no_columns(
    rules_of: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = Engine(rules_of({"keys": ["needle"], "condition": "keys"}))
    rows: list[dict[str, object]] = [
        {f"field {row} {number}": "a needle" if row == 7 else "x" for number in range(300)}
        for row in range(10)
    ]

    def no_column(self: RowFields, name: str) -> None:
        raise AssertionError(f"column {name!r} was read")

    monkeypatch.setattr(RowFields, "column", no_column)
    assert fired(engine, SYSMON, *rows) == [["rule 0"] if row == 7 else [] for row in range(10)]


def test_rules_fire_alike_before_and_after_triggers_were_learned(
    rules_of: Compile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hauberk.detect.sigma.plan.SAMPLE", 8)
    engine = Engine(
        rules_of(
            {"sel": {"F|contains": "common word", "G|contains": "b"}, "condition": "sel"},
            {"sel": {"F|endswith": "7", "G|re": "b[0-9]$"}, "condition": "sel"},
            {"sel": {"F": "common word 3"}, "no": {"G|re": "b9"}, "condition": "sel and not no"},
        )
    )
    rows: list[dict[str, object]] = [
        {"F": f"common word {n % 20}", "G": f"{'ab'[n % 3 == 0]}{n % 10}"} for n in range(60)
    ]
    expected = [
        [
            name
            for name, fires in (
                ("rule 0", n % 3 == 0),
                ("rule 1", n % 20 in (7, 17) and n % 3 == 0),
                ("rule 2", n % 20 == 3),
            )
            if fires
        ]
        for n in range(60)
    ]
    assert fired(engine, SYSMON, *rows) == expected
    assert fired(engine, SYSMON, *rows) == expected
    assert [fired(engine, SYSMON, row)[0] for row in rows] == expected
