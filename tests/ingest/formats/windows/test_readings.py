"""How single values are read."""

import pytest

from hauberk.ingest.formats.windows.readings import read


@pytest.mark.parametrize(
    ("reading", "value", "expected"),
    [
        ("", "-", None),
        ("", 7, "7"),
        ("", True, "true"),
        ("", ["a", None, "b"], "a\nb"),
        ("int", "0x1F", 31),
        ("int", 12, 12),
        ("int", "0x" + "f" * 16, None),
        ("int", "twelve", None),
        ("ip", "::ffff:192.0.2.1", "192.0.2.1"),
        ("ip", "[fe80::1%eth0]", "fe80::1"),
        ("ip", "LOCAL", None),
        ("user", "CORP\\alice", "alice"),
        ("user", "alice@corp.example", "alice"),
        ("user", "CN=Alice,OU=x,DC=y", "Alice"),
        ("domain", "CORP\\alice", "CORP"),
        ("domain", "alice", None),
        ("name", "C:\\a\\b.exe", "b.exe"),
        ("parent", "HKLM\\a\\b", "HKLM\\a"),
        ("zero", "0x0", 1),
        ("zero", "0xC000006A", 2),
        ("share", "\\\\*\\IPC$", "IPC$"),
        ("host", "https://www.example.org:8443/x", "www.example.org"),
        ("host", "https://[broken", None),
        ("threat", "file:_C:\\x.exe; process:_pid:1", "C:\\x.exe"),
        ("list", "type:  5 a.example;::ffff:192.0.2.1;", ["5 a.example", "192.0.2.1"]),
        ("xml:Command", "<Exec><Command>a &amp; b</Command><Arguments>-c</Arguments>", "a & b -c"),
    ],
)
def test_a_value_is_read_as_its_column_asks(reading: str, value: object, expected: object) -> None:
    assert read([value, None], reading) == [expected, None]
