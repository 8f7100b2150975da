"""What each relation reads, on events built by hand, and on events that lack everything."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.detect.behaviour import (
    cloud,
    destinations,
    logons,
    modules,
    persistence,
    processes,
)
from hauberk.events import FINDING_SCHEMA, EventBatch, EventClass, column_type

DETECTORS = [
    module.detector() for module in (cloud, destinations, logons, modules, persistence, processes)
]
RELATIONS = {relation.rule_uid: relation for each in DETECTORS for relation in each.relations}


def read(rule_uid, **values):
    """Scope, context, object and technique of one event; names with `__` for dots."""
    relation = RELATIONS[rule_uid]
    given_values = {name.replace("__", "."): value for name, value in values.items()}
    assert set(given_values) <= set(relation.columns)
    row = pl.DataFrame(
        {
            name: pl.Series([given_values.get(name)], dtype=column_type(name))
            for name in relation.columns
        }
    ).filter(relation.where)
    rows = relation.read(row)
    if rows.is_empty():
        return None
    technique = rows["technique"][0] if "technique" in rows.columns else None
    return (rows["scope"][0], rows["context"][0], rows["object"][0], technique)


WINDOWS = "C:\\Windows\\System32\\"


def test_log_ons_relate_account_source_and_host():
    event = {
        "status_id": 1,
        "device__hostname": "FS01.corp.local",
        "user__name": "CORP\\Ann",
        "src_endpoint__ip": "10.0.0.7",
        "logon_type_id": 10,
    }
    assert read("rarity.user-host", **event) == ("fs01", "ann", "fs01", None)
    assert read("rarity.user-source", **event) == ("fs01", "ann", "10.0.0.7", None)
    assert read("rarity.source-host", **event) == ("fs01", "10.0.0.7", "fs01", "T1021.001")
    assert read("rarity.user-protocol", **event)[2] == "log-on type 10 ?"


def test_failed_service_and_machine_log_ons_are_not_of_the_relation():
    event = {"device__hostname": "fs01", "user__name": "ann", "status_id": 1}
    assert read("rarity.user-host", **event) is not None
    assert read("rarity.user-host", **{**event, "status_id": 2}) is None
    assert read("rarity.user-host", **event, logon_type_id=5) is None
    assert read("rarity.user-host", **event, activity_id=2) is None
    assert read("rarity.user-host", **{**event, "user__name": "FS01$"})[1] is None


def test_processes_relate_parent_child_command_and_user():
    started = {
        "device__hostname": "ws1",
        "process__file__path": WINDOWS.replace("System32", "SysWOW64") + "RunDll32.exe",
    }
    assert read(
        "rarity.parent-child",
        **started,
        process__parent_process__file__path="\\??\\" + WINDOWS + "cmd.exe",
    ) == ("ws1", "cmd.exe", "c:\\windows\\system32\\rundll32.exe", None)
    shape = read(
        "rarity.command",
        **started,
        process__cmd_line='"C:\\Windows\\rundll32.exe" C:\\x\\y.dll,Run 1234 http://a.example/b',
    )
    assert shape[2] == "rundll32.exe <path>,run # <url>"
    assert read("rarity.user-process", **started, actor__user__name="ann")[1] == "ann"


def test_reaching_into_another_process_is_told_by_what_is_asked_of_it():
    opened = {
        "device__hostname": "ws1",
        "actor__process__file__path": "C:\\x\\tool.exe",
        "process__file__path": WINDOWS + "lsass.exe",
        "activity_id": 3,
    }
    found = read("rarity.process-access", **opened, requested_permissions="0x1410")
    assert found[1:] == ("tool.exe", "c:\\windows\\system32\\lsass.exe for 0x1410", "T1003.001")
    thread = read("rarity.process-access", **{**opened, "activity_id": 4})
    assert thread[2:] == ("c:\\windows\\system32\\lsass.exe by a thread", "T1055")
    assert read("rarity.parent-child", process__file__path="x", activity_id=3) is None


def test_programs_relate_to_kinds_of_service_and_domains():
    program = {"actor__process__file__path": WINDOWS + "notepad.exe", "device__hostname": "ws1"}
    outside = read(
        "rarity.program-port", **program, dst_endpoint__ip="8.8.8.8", dst_endpoint__port=443
    )
    inside = read(
        "rarity.program-port", **program, dst_endpoint__ip="10.0.0.5", dst_endpoint__port=50_123
    )
    assert outside[1:3] == ("notepad.exe", "port 443 outside")
    assert inside[2] == "port high inside"
    domain = read("rarity.program-domain", **program, query__hostname="a.b.example.co.uk.")
    assert domain[2] == "example.co.uk"
    assert (
        read("rarity.program-domain", **program, query__hostname="x.example.com")[2]
        == "example.com"
    )


def test_hosts_relate_by_the_services_that_administer():
    ends = {"src_endpoint__ip": "10.0.0.5", "dst_endpoint__ip": "10.0.0.6"}
    found = read("rarity.host-host", **ends, dst_endpoint__port=445)
    assert found == ("10.0.0.5", "10.0.0.5", "10.0.0.6 by smb", "T1021.002")
    assert read("rarity.host-host", **ends, dst_endpoint__port=443) is None
    outside = {**ends, "src_endpoint__ip": "8.8.8.8"}
    assert read("rarity.host-host", **outside, dst_endpoint__port=445)[1] is None


def test_what_is_set_up_to_run_again_is_named_by_what_it_runs():
    service = read("rarity.service", win_service__cmd_line="%SystemRoot%\\a1234.exe -k")
    assert service[2] == "c:\\windows\\a#.exe -k"
    job = read("rarity.job", job__name="\\Updater-1234", job__cmd_line="cmd.exe /c C:\\a\\b.bat")
    assert job[2] == "\\updater-# /c <path>"
    run = read(
        "rarity.autostart",
        actor__process__file__path=WINDOWS + "reg.exe",
        reg_key__path="HKU\\S-1-5-21-1-2-3-1001\\Software\\Microsoft\\Windows\\CurrentVersion\\Run",
        reg_value__name="x",
    )
    assert run[1:] == (
        "reg.exe", "\\software\\microsoft\\windows\\currentversion\\run : x", "T1547.001"
    )  # fmt: skip
    assert read("rarity.autostart", reg_key__path="HKLM\\Software\\Vendor\\App")[2] is None


def test_unsigned_libraries_from_where_users_write_are_told_as_side_loading():
    program = {"actor__process__file__path": "C:\\Program Files\\v\\app.exe"}
    theirs = {"module__file__path": "C:\\Users\\ann\\v\\version.dll"}
    loaded = read(
        "rarity.module", **program, **theirs, module__file__signature__status="Unavailable"
    )
    assert loaded[2:] == ("c:\\users\\*\\v\\version.dll (unsigned)", "T1574.001")
    signed = read("rarity.module", **program, **theirs, module__file__signature__status="Valid")
    assert signed[2:] == ("c:\\users\\*\\v\\version.dll", None)


def test_principals_relate_to_operations_whatever_the_name_of_their_session():
    arn = "arn:aws:sts::123456789012:assumed-role/Deploy/{}"
    call = {"api__service__name": "iam", "api__operation": "CreateUser"}
    one = read("rarity.principal-operation", **call, actor__user__uid=arn.format("a1"))
    other = read("rarity.principal-operation", **call, actor__user__uid=arn.format("zz"))
    assert one == other
    assert one[2] == "iam createuser"
    refused = read(
        "rarity.principal-operation",
        **call,
        actor__user__uid="u",
        api__response__error="AccessDenied",
    )
    assert refused[2] == "iam createuser (refused)"


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda each: each.spec.name)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_whatever_the_columns_hold_no_detector_raises(detector, data):
    start = datetime(2026, 1, 5, tzinfo=UTC)
    text = st.one_of(
        st.none(), st.text(max_size=20), st.sampled_from(["-", "\\\\", "10.0.0.1", "a.exe", "::1"])
    )
    tables = {}
    height = data.draw(st.integers(0, 6))
    for event_class, names in detector.spec.columns.items():
        columns = {}
        for name in names:
            dtype = column_type(name)
            if name == "time":
                values = [start + timedelta(minutes=i) for i in range(height)]
            elif dtype == pl.String:
                values = data.draw(st.lists(text, min_size=height, max_size=height))
            else:
                numbers = st.one_of(st.none(), st.integers(-2, 70_000))
                values = data.draw(st.lists(numbers, min_size=height, max_size=height))
            columns[name] = pl.Series(values, dtype=dtype, strict=False)
        tables[event_class] = pl.DataFrame(columns)
    findings, state = detector.judge(EventBatch("b", tables), {})
    findings, _ = detector.judge(EventBatch("c", tables), state)
    assert findings.schema == FINDING_SCHEMA


def test_every_relation_has_a_class_it_reads_and_a_name_of_its_own():
    assert len(RELATIONS) == sum(len(each.relations) for each in DETECTORS)
    assert all(isinstance(relation.event_class, EventClass) for relation in RELATIONS.values())
