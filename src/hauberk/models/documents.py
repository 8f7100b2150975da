"""The documents of an artifact as data: `model.json`, `data.json`, `report.json`."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from hauberk.events import EventClass

from .reading import Fields, canonical, is_number

SCHEMA_VERSION = 1
MODEL, DATA, REPORT, CARD, SIGNATURE = (
    "model.json",
    "data.json",
    "report.json",
    "card.md",
    "model.sig",
)
NAME_PATTERN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


class Task(StrEnum):
    """What a model judges."""

    MAIL = "mail"
    DOMAIN = "domain"
    URL = "url"
    EXECUTABLE = "executable"


@dataclass(frozen=True, slots=True)
class Scope:
    """What a model may judge: one task, over events of these classes (none: files of the task)."""

    task: Task
    event_classes: tuple[EventClass, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """The p-value map: straight lines between knots; scores rise, p-values fall."""

    scores: tuple[float, ...]
    p_values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """`model.json`: what a model is. `features` is the schema itself, `parameters` the estimator's.

    `thresholds` are scores by name; `alert` is there always.
    """

    name: str
    version: str
    task: Task
    estimator: str
    features: Mapping[str, Any]
    features_digest: str
    classes: tuple[str, ...]
    thresholds: Mapping[str, float]
    calibration: Calibration | None
    scope: Scope
    seeds: tuple[int, ...]
    recipe_digest: str
    code_version: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class DataSource:
    """One source that a model was trained on.

    `files` are SHA-256 by path; `lake` names table and version where the rows came from a lake;
    `lineage` are positions of ingest entries in the ledger.
    """

    name: str
    files: Mapping[str, str]
    lake: Mapping[str, Any] | None
    rows: int
    rows_after_dedupe: int
    groups: int
    licence: str
    redistribution: bool
    purpose: str
    synthetic_share: float
    lineage: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """One number with its interval; both bounds equal it where none was computed."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class GateResult:
    """What one gate measured, and whether it held the bound that the recipe declared."""

    gate: str
    question: str
    measured: Mapping[str, Measured]
    bound: str
    passed: bool
    method: str
    seed: int | None


@dataclass(frozen=True, slots=True)
class Report:
    """`report.json`: gate results, and everything else that was evaluated."""

    gates: tuple[GateResult, ...]
    evaluation: Mapping[str, Any]

    def gate(self, name: str) -> GateResult | None:
        """A gate's result by name."""
        return next((gate for gate in self.gates if gate.gate == name), None)


def is_name(text: str) -> bool:
    """Whether this can name a model: kebab-case, at most 64 characters."""
    return 0 < len(text) <= 64 and set(text) <= NAME_PATTERN and text[0] not in "-0123456789"


def read_model(value: Mapping[str, Any]) -> Model:
    """Read `model.json`. Raises ArtifactError naming the field."""
    fields = _versioned(value, MODEL)
    name = fields.text("name")
    if not is_name(name):
        raise fields.wrong("name", "expected lower-case letters, digits and hyphens, at most 64")
    features = fields.object("features")
    schema = features.object("schema").value
    if features.digest("digest") != digest_of(schema):
        raise features.wrong("digest", "is not the SHA-256 of the canonical schema beside it")
    task = _task(fields, "task")
    scope_fields = fields.object("scope")
    scope = Scope(_task(scope_fields, "task"), _classes(scope_fields))
    thresholds = fields.object("thresholds")
    classes = fields.texts("classes")
    if len(classes) < 2 or len(set(classes)) != len(classes):
        raise fields.wrong("classes", "expected two or more different names")
    return Model(
        name=name,
        version=fields.text("version"),
        task=task,
        estimator=fields.text("estimator"),
        features=schema,
        features_digest=features.digest("digest"),
        classes=classes,
        thresholds={"alert": thresholds.number("alert")}
        | {one: thresholds.number(one) for one in thresholds.value},
        calibration=_calibration(fields),
        scope=scope,
        seeds=_integers(fields, "seeds"),
        recipe_digest=fields.digest("recipe_digest"),
        code_version=fields.text("code_version"),
        parameters=fields.optional("parameters", lambda n: fields.object(n).value, {}),
    )


def _versioned(value: object, file: str) -> Fields:
    fields = Fields(value, file)
    if fields.integer("schema_version") != SCHEMA_VERSION:
        raise fields.wrong("schema_version", f"expected {SCHEMA_VERSION}")
    return fields


def _task(fields: Fields, name: str) -> Task:
    said = fields.text(name)
    try:
        return Task(said)
    except ValueError:
        raise fields.wrong(name, f"expected one of {', '.join(Task)}, found {said}") from None


def _classes(scope: Fields) -> tuple[EventClass, ...]:
    """`event_class`: a table's name, a list of them, or absent."""
    said = scope.value.get("event_class")
    names = [said] if isinstance(said, str) else said
    if names is None:
        return ()
    known = {one.table: one for one in EventClass}
    if not isinstance(names, list) or not all(
        isinstance(one, str) and one in known for one in names
    ):
        raise scope.wrong("event_class", "expected names of event classes")
    return tuple(known[one] for one in names)


def _integers(fields: Fields, name: str) -> tuple[int, ...]:
    found = fields.numbers(name)
    if any(one != int(one) for one in found):
        raise fields.wrong(name, "expected whole numbers")
    return tuple(int(one) for one in found)


def _calibration(fields: Fields) -> Calibration | None:
    if fields.value.get("calibration") is None:
        return None
    found = fields.object("calibration")
    scores, p_values = found.numbers("scores"), found.numbers("p_values")
    if len(scores) != len(p_values) or len(scores) < 2:
        raise found.wrong("p_values", "expected as many as scores, two or more")
    if list(scores) != sorted(set(scores)):
        raise found.wrong("scores", "expected rising knots")
    falling = all(a >= b for a, b in pairwise(p_values))
    if not falling or not all(0.0 < p <= 1.0 for p in p_values):
        raise found.wrong("p_values", "expected falling values within 0 (excluded) and 1")
    return Calibration(scores, p_values)


def read_data(value: Mapping[str, Any]) -> tuple[DataSource, ...]:
    """Read `data.json`. Raises ArtifactError naming the field."""
    fields = _versioned(value, DATA)
    sources = tuple(_source(one) for one in fields.objects("sources"))
    if not sources:
        raise fields.wrong("sources", "a model is trained on something")
    names = [source.name for source in sources]
    if len(set(names)) != len(names):
        raise fields.wrong("sources", "two sources have the same name")
    return sources


def _source(fields: Fields) -> DataSource:
    files = {one.text("path"): one.digest("sha256") for one in _files(fields)}
    lake = fields.optional("lake", lambda n: fields.object(n).value, None)
    if not files and lake is None:
        raise fields.wrong("files", "expected files with their SHA-256, or a lake version")
    share = fields.number("synthetic_share")
    if not 0 <= share <= 1:
        raise fields.wrong("synthetic_share", "expected a share between 0 and 1")
    rows, kept = fields.integer("rows"), fields.integer("rows_after_dedupe")
    if kept > rows:
        raise fields.wrong("rows_after_dedupe", f"{kept} are more than the {rows} before")
    return DataSource(
        name=fields.text("name"),
        files=files,
        lake=lake,
        rows=rows,
        rows_after_dedupe=kept,
        groups=fields.integer("groups"),
        licence=fields.text("licence"),
        redistribution=fields.flag("redistribution"),
        purpose=fields.text("purpose"),
        synthetic_share=share,
        lineage=fields.optional("lineage", lambda n: _integers(fields, n), ()),
    )


def _files(fields: Fields) -> list[Fields]:
    return fields.optional("files", fields.objects, [])


def read_report(value: Mapping[str, Any]) -> Report:
    """Read `report.json`. Raises ArtifactError naming the field."""
    fields = _versioned(value, REPORT)
    gates = tuple(_gate(one) for one in fields.objects("gates"))
    names = [gate.gate for gate in gates]
    if len(set(names)) != len(names):
        raise fields.wrong("gates", "a gate stands there twice")
    nothing: dict[str, Any] = {}
    evaluation = fields.optional("evaluation", lambda n: fields.object(n).value, nothing)
    return Report(gates, evaluation)


def _gate(fields: Fields) -> GateResult:
    measured = {}
    found = fields.object("measured")
    for name, value in found.value.items():
        if is_number(value):
            measured[name] = Measured(float(value), float(value), float(value))
        elif isinstance(value, dict):
            one = found.object(name)
            number = one.number("value")
            low = one.optional("low", one.number, number)
            high = one.optional("high", one.number, number)
            if not low <= number <= high:
                raise one.wrong("value", f"lies outside of its interval {low} .. {high}")
            measured[name] = Measured(number, low, high)
        else:
            raise found.wrong(name, "expected a number, or value, low and high")
    if not measured:
        raise fields.wrong("measured", "a gate measures at least one number")
    bound = fields.value.get("bound")
    return GateResult(
        gate=fields.text("gate"),
        question=fields.text("question"),
        measured=measured,
        bound=bound if isinstance(bound, str) else canonical(bound).decode(),
        passed=fields.flag("passed"),
        method=fields.text("method"),
        seed=fields.optional("seed", fields.integer, None),
    )


def digest_of(value: object) -> str:
    """SHA-256 (hex) of a value's canonical JSON."""
    return hashlib.sha256(canonical(value)).hexdigest()
