"""Which logs the categories of our own read, and that Sigma's keep their meaning."""

from pathlib import Path

import pytest

from hauberk.detect.sigma import Engine, LogSource, load_rules, load_taxonomy
from hauberk.detect.sigma.rows import RowFields
from hauberk.events import LogKey

PROCESS = LogKey("windows", "sysmon", "1")
BLOCK = LogKey("windows", "powershell", "4104")
CALL = LogKey("windows", "powershell", "4103")
CLASSIC = LogKey("windows", "powershell-classic", "800")
ENGINE = LogKey("windows", "powershell-classic", "400")


def columns(category: str, name: str, key: LogKey) -> tuple[str, ...] | None:
    for selector in load_taxonomy().selectors(LogSource("windows", category)):
        if selector.selects(key):
            return selector.source(name).columns
    return None


@pytest.mark.parametrize(
    ("key", "names"),
    [
        (BLOCK, ("ScriptBlockText",)),
        (CALL, ("Payload",)),
        (CLASSIC, ("EngineCode", "Data")),
        (ENGINE, ("EngineCode", "Data")),
    ],
)
def test_code_is_read_where_each_powershell_log_has_it(key: LogKey, names: tuple[str, ...]) -> None:
    assert columns("powershell_code", "ScriptBlockText", key) == names
    assert columns("command_or_script", "CommandLine", key) == names


def test_only_one_of_our_categories_reads_command_lines() -> None:
    assert columns("command_or_script", "CommandLine", PROCESS) == ("CommandLine",)
    assert columns("powershell_code", "ScriptBlockText", PROCESS) is None


@pytest.mark.parametrize("key", [CALL, CLASSIC, ENGINE, PROCESS])
def test_script_blocks_of_sigma_stay_script_blocks_alone(key: LogKey) -> None:
    assert columns("ps_script", "ScriptBlockText", BLOCK) == ("ScriptBlockText",)
    assert columns("ps_script", "ScriptBlockText", key) is None


@pytest.mark.parametrize("service", ["wmi", "wmi-activity"])
def test_the_log_of_wmi_is_read_under_either_name(service: str) -> None:
    selectors = load_taxonomy().selectors(LogSource("windows", "", service))

    assert any(one.selects(LogKey("windows", "wmi", "5861")) for one in selectors)


OWN = """
[fields.ours]
Image = ["exe_path"]

[[log]]
product = "windows"
category = "process_creation"
extend = true
select = [{product = "acme", service = "edr", codes = ["7"], fields = "ours"}]

[[log]]
category = "badge"
select = [{product = "acme", service = "door", fields = "zeek-conn"}]

[[alias]]
product = "windows"
service = "security"
fields = {Person = "SubjectUserName"}
"""


def test_an_own_taxonomy_adds_logs_and_names(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    own = load_taxonomy(path)
    creation = own.selectors(LogSource("windows", "process_creation"))
    assert [(one.product, one.service) for one in creation] == [
        ("acme", "edr"), ("windows", "sysmon"), ("windows", "security"),
    ]  # fmt: skip
    assert creation[0].source("Image").columns == ("exe_path",)
    assert creation[1].source("Person").columns == ("Person",)
    assert creation[2].source("Person").columns == ("SubjectUserName",)
    assert creation[2].source("Image").columns[0] == "NewProcessName"
    (badge,) = own.selectors(LogSource("", "badge"))
    assert badge.source("src_ip").columns == ("id.orig_h",)
    assert own.digest
    assert not load_taxonomy().digest


def test_an_alias_of_one_log_leaves_others_of_the_product_alone(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    first, second = load_taxonomy(path).selectors(LogSource("windows"))
    assert (first.service, first.source("Person").columns) == ("security", ("SubjectUserName",))
    assert (second.service, second.source("Person").columns) == ("", ("Person",))


def test_rules_are_read_by_the_taxonomy_of_their_set(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN)
    (tmp_path / "r.yml").write_text(
        "title: T\nlogsource: {product: windows, category: process_creation}\n"
        "detection: {s: {Image|endswith: x.exe}, condition: s}\n"
    )
    rules = load_rules([tmp_path], taxonomy=tmp_path / "own.toml")
    fields = RowFields([{"exe_path": "C:/x.exe"}])
    assert list(Engine(rules).match(LogKey("acme", "edr", "7"), fields))
    assert not list(Engine(load_rules([tmp_path])).match(LogKey("acme", "edr", "7"), fields))
