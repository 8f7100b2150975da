"""Whether the company is alive, and one action looks the same in all logs that see it."""

from collections import Counter
from pathlib import Path

import orjson

_Rows = list[dict[str, str]]


def _zeek(logs: list[Path], name: str) -> _Rows:
    found: _Rows = []
    for path in logs:
        if path.name == f"{name}.log":
            lines = path.read_text().splitlines()
            fields = next(line for line in lines if line.startswith("#fields")).split("\t")[1:]
            found += [
                dict(zip(fields, line.split("\t"), strict=True)) for line in lines if line[0] != "#"
            ]
    return found


def _windows(logs: list[Path], event_id: int, channel: str) -> _Rows:
    found: _Rows = []
    for path in logs:
        if path.suffix == ".ndjson":
            for line in path.read_bytes().splitlines():
                winlog = orjson.loads(line)["winlog"]
                if winlog["event_id"] == str(event_id) and channel in winlog["channel"]:
                    found.append({**winlog["event_data"], "Computer": winlog["computer_name"]})
    return found


def test_every_dns_http_and_tls_record_belongs_to_a_connection(logs: list[Path]) -> None:
    connections = {row["uid"] for row in _zeek(logs, "conn")}
    for name in ("dns", "http", "ssl", "kerberos", "smb_mapping", "ssh", "rdp", "dce_rpc"):
        assert {row["uid"] for row in _zeek(logs, name)} <= connections, name


def test_connections_that_a_program_opened_were_seen_by_the_sensor(logs: list[Path]) -> None:
    seen = {
        (row["id.orig_h"], row["id.orig_p"], row["id.resp_h"], row["id.resp_p"])
        for row in _zeek(logs, "conn")
    }
    opened = [
        (row["SourceIp"], row["SourcePort"], row["DestinationIp"], row["DestinationPort"])
        for row in _windows(logs, 3, "Sysmon")
    ]
    assert opened
    assert set(opened) <= seen


def test_every_log_on_is_of_a_known_account_and_from_a_known_address(logs: list[Path]) -> None:
    addresses = {row["id.orig_h"] for row in _zeek(logs, "conn")} | {"-", "127.0.0.1"}
    tickets = {row["TargetUserName"] for row in _windows(logs, 4768, "Security")}
    rows = _windows(logs, 4624, "Security")
    assert rows
    for row in rows:
        assert row["TargetUserSid"].startswith("S-1-5-")
        assert row["IpAddress"] in addresses
        if row["LogonType"] == "2":
            assert row["TargetUserName"] in tickets


def test_every_process_has_a_parent_that_runs(logs: list[Path]) -> None:
    rows = _windows(logs, 1, "Sysmon")
    made = {row["ProcessGuid"] for row in rows}
    told = sum(row["ParentProcessGuid"] in made for row in rows)
    assert len(made) == len(rows)
    assert told > len(rows) / 4  # the others' parents were up when the logs begin


def test_people_differ_and_do_new_things(logs: list[Path]) -> None:
    asked = [row for row in _zeek(logs, "dns") if row["id.resp_h"].startswith("10.")]
    sites = Counter(row["query"] for row in asked)
    programs = {row["Image"] for row in _windows(logs, 1, "Sysmon")}
    assert len(sites) > 60
    assert sum(count == 1 for count in sites.values()) > 10
    assert len(programs) > 40


def test_addresses_and_names_outside_are_of_documentation(logs: list[Path]) -> None:
    blocks = ("10.", "192.0.2.", "198.51.100.", "203.0.113.")
    for row in _zeek(logs, "conn"):
        assert row["id.resp_h"].startswith(blocks)
        assert row["id.orig_h"].startswith(blocks)
    for row in _zeek(logs, "dns"):
        assert row["query"].endswith((".example", ".test"))
