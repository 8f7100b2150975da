"""STIX 2.1: bundles that the library takes back, with ids that stay."""

import json
import string
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reports.outputs.conftest import START, incident, message, say

from hauberk.events import EntityKind
from hauberk.reports.outputs import Output, Subject, sender_of

stix2 = pytest.importorskip("stix2")
from hauberk.reports.outputs.stix import MARKINGS, bundle  # noqa: E402  # it needs the extra

Configured = Callable[..., list[Output]]
NOW = START + timedelta(days=1)


def test_a_bundle_holds_the_story_its_observables_techniques_and_sightings() -> None:
    made = json.loads(bundle(incident("i1"), "1", NOW))
    stix2.parse(made)
    kinds: dict[str, list[dict[str, object]]] = {}
    for one in made["objects"]:
        kinds.setdefault(one["type"], []).append(one)
    (story,) = kinds["incident"]
    assert story["confidence"] == 75
    assert {one["name"] for one in kinds["identity"]} == {"Hauberk", "ws07"}
    assert {one["external_references"][0]["external_id"]  # type: ignore[index]
            for one in kinds["attack-pattern"]} == {"T1490", "T1059.001"}  # fmt: skip
    assert {one["value"] for one in kinds["ipv4-addr"]} == {"10.0.0.5"}
    assert {one["value"] for one in kinds["ipv6-addr"]} == {"fe80::1"}
    assert {one.get("account_login") or one.get("user_id") for one in kinds["user-account"]} == {
        "jlee", "arn:x",
    }  # fmt: skip
    assert {one["path"] for one in kinds["directory"]} == {r"C:\tools"}
    assert len(kinds["sighting"]) == 2
    assert "indicator" not in kinds
    (seen,) = kinds["observed-data"]
    known = {one["id"] for one in made["objects"]}
    assert set(seen["object_refs"]) <= known  # type: ignore[call-overload]
    for one in kinds["relationship"]:
        assert one["source_ref"] == story["id"]
        assert one["target_ref"] in known
    marks = {ref for one in made["objects"] for ref in one.get("object_marking_refs", ())}
    assert marks == {MARKINGS["amber"]["id"]}


def test_the_same_incident_makes_the_same_objects_and_a_change_a_newer_version() -> None:
    first = json.loads(bundle(incident("i1"), "1", NOW))
    again = json.loads(bundle(incident("i1"), "1", NOW))
    assert first == again
    later = json.loads(bundle(incident("i1", probability=0.9), "2", NOW + timedelta(hours=1)))
    assert {one["id"] for one in later["objects"]} == {one["id"] for one in first["objects"]}
    assert later["id"] != first["id"]
    before, after = (
        next(one for one in each["objects"] if one["type"] == "incident") for each in (first, later)
    )
    assert after["created"] == before["created"]
    assert after["modified"] > before["modified"]


_entity = st.builds(
    "{}:{}".format,
    st.sampled_from([*map(str, EntityKind), "other"]),
    st.text(max_size=30) | st.text(alphabet=string.hexdigits, max_size=64),
)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=50), st.lists(_entity, max_size=6))
def test_whatever_telemetry_says_a_bundle_is_valid(title: str, entities: list[str]) -> None:
    made = bundle(incident("i1", title=title, narrative=title, entities=entities), "1", NOW)
    stix2.parse(made)


def test_each_version_is_a_file_of_its_own_and_a_double_replaces_itself(
    configured: Configured, tmp_path: Path
) -> None:
    (output,) = configured(
        f'[outputs.cti]\nkind = "stix"\nfolder = "{tmp_path / "out"}"\ntlp = "green"\n'
    )
    (tmp_path / "out").mkdir()
    sender = sender_of(output)
    one = message(1, id="../i1-1", subject=Subject.INCIDENT, incident=incident("i1"))
    for _ in range(2):
        assert list(sender.send([one])) == []
    (path,) = (tmp_path / "out").iterdir()
    assert path.name == "___i1-1.json"
    made = stix2.parse(path.read_text())
    assert all(one.get("object_marking_refs", [None])[0] in (None, MARKINGS["green"]["id"])
               for one in made.objects)  # fmt: skip


@pytest.mark.slow
def test_the_command_exports_an_incident_by_its_rank(home_path: Path) -> None:
    say(home_path, "f-i1", incidents=[incident("i1")])
    command = [sys.executable, "-m", "hauberk.cli", "outputs", "export", "1", "--stix", "--tlp",
               "clear", "--home", str(home_path)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert stix2.parse(done.stdout).type == "bundle"
