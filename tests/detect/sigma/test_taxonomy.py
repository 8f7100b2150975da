"""Which logs the categories of our own read, and that Sigma's keep their meaning."""

import pytest

from hauberk.detect.sigma import LogSource, load_taxonomy
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
