"""Telemetry that tries to steer whoever reads about it."""

import io
import json
import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from rich.console import Console

from hauberk.pipeline import Scan, ScanOptions, scan
from hauberk.reports import print_scan
from hauberk.reports.html import render_html

PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "\x1b]0;owned\x07\x1b[2J\x1b[31m",
    "[bold red]not markup[/]",
    "\u202egnp.exe",
    "=cmd|' /C calc'!A0",
    "</style><style>*{display:none}</style>",
]


@pytest.fixture(scope="module", params=PAYLOADS)
def poisoned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scan:
    folder = tmp_path_factory.mktemp("poisoned")
    path = folder / "log.json"
    text = request.param
    rows = [
        {
            "@timestamp": "2026-03-02T10:00:00Z",
            "winlog": {
                "channel": "Microsoft-Windows-Sysmon/Operational",
                "event_id": 1,
                "computer_name": f"ws{text}",
                "event_data": {
                    "Image": rf"C:\Users\Public\{text}\vssadmin.exe",
                    "CommandLine": f"vssadmin delete shadows /all {text}",
                    "ParentImage": text,
                    "User": rf"CORP\{text}",
                },
            },
        }
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return scan(ScanOptions(paths=[path], home=folder / "home"))


class _Reader(HTMLParser):
    """What a browser would make of the page: its elements and their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]


def test_the_page_holds_telemetry_as_text_only(poisoned: Scan) -> None:
    page = render_html(poisoned)
    read = _Reader(page)
    assert poisoned.incidents
    assert read.tags["script"] == read.tags["style"] == 1
    assert not {"img", "iframe", "link", "object", "embed", "form"} & set(read.tags)
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    assert "ws49" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_the_page_asks_the_network_for_nothing(poisoned: Scan) -> None:
    read = _Reader(render_html(poisoned))
    assert any("default-src 'none'" in value for _, value in read.attributes)
    asked = [value for name, value in read.attributes if name in {"src", "href", "action"}]
    assert all(value.startswith("#") for value in asked)


def test_the_terminal_gets_no_control_characters(poisoned: Scan) -> None:
    console = Console(record=True, width=200, force_terminal=False, file=io.StringIO())
    print_scan(poisoned, console)
    text = console.export_text()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
