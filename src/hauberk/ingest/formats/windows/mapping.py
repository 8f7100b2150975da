"""What Windows events mean in OCSF, read from `events.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import cast

from hauberk.events import EventClass, schema

Choices = Mapping[str, tuple[str, Mapping[str, int]]]

Reading = tuple[str, str]
"""A field and how it is read ("" as text); see `events.toml`."""


@dataclass(frozen=True, slots=True)
class EventMapping:
    """One kind of event: its class and where each of its columns comes from."""

    event_class: EventClass
    columns: Mapping[str, tuple[Reading, ...]]
    constants: Mapping[str, str | int]
    choose: Mapping[str, tuple[str, Mapping[str, int]]]
    split: tuple[str, Mapping[str, str]] | None = None


@cache
def mappings() -> Mapping[tuple[str, str], EventMapping]:
    """Every mapping by service and event id.

    Raises ValueError where `events.toml` names a class or a column that does not exist.
    """
    text = resources.files(__package__).joinpath("events.toml").read_text("utf-8")
    facts = tomllib.loads(text)
    sets = facts.pop("set")
    return {
        (service, code): _mapping(f"{service}.{code}", entry, sets)
        for service, entries in facts.items()
        for code, entry in entries.items()
    }


@cache
def other_events() -> EventMapping:
    """The mapping of events that have none of their own."""
    text = resources.files(__package__).joinpath("events.toml").read_text("utf-8")
    subject = tomllib.loads(text)["set"]["subject"]
    return _mapping("others", {"class": "base_event", "columns": subject}, {})


def _mapping(
    name: str, entry: Mapping[str, object], sets: Mapping[str, Mapping[str, object]]
) -> EventMapping:
    event_class = EventClass[str(entry["class"]).upper()]
    fields: dict[str, object] = {}
    for used in _list(entry.get("use", [])):
        fields.update(sets[used])
    fields.update(_table(entry.get("columns", {})))
    constants = {"activity_id": entry.get("activity", 0)} | _table(entry.get("constants", {}))
    choose: dict[str, tuple[str, Mapping[str, int]]] = {}
    for column, (field, values) in cast("Choices", _table(entry.get("choose", {}))).items():
        choose[column] = (field, {key.lower(): value for key, value in values.items()})
    unknown = {*fields, *constants, *choose} - set(schema(event_class))
    if unknown:
        raise ValueError(f"events.toml: {name} names columns that its class has not: {unknown}")
    split = entry.get("split")
    return EventMapping(
        event_class,
        {column: tuple(map(_reading, _list(spec))) for column, spec in fields.items()},
        {c: v for c, v in constants.items() if c not in fields and isinstance(v, str | int)},
        choose,
        (str(split[0]), split[1]) if isinstance(split, list) else None,
    )


def _list(spec: object) -> list[str]:
    return [str(each) for each in spec] if isinstance(spec, list) else [str(spec)]


def _table(spec: object) -> dict[str, object]:
    if not isinstance(spec, dict):
        raise ValueError(f"events.toml: expected a table, not {spec!r}")
    return spec


def _reading(spec: str) -> Reading:
    field, _, reading = spec.partition("|")
    return field, reading
