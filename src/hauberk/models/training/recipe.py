"""A recipe: everything that makes a model, declared in one TOML file.

A field that the recipe format does not have is refused, so that a misspelt gate is not an absent
one. docs/models.md lists the fields.
"""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from hauberk.errors import UnreadableInputError, UsageError
from hauberk.models.documents import Task, is_name

BUILT_IN = Path(__file__).parents[1] / "recipes"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Source:
    """One data source. `role`: train (divided into parts), test (never trained on), words.

    `label` is 1 for what is to be found, 0 otherwise, -1 where the reader reads it from the data.
    `files` are globs below the set's folder. `options` go to the reader.
    """

    name: str
    reader: str
    label: int
    licence: str
    purpose: str
    redistribution: bool
    set: str = ""
    files: tuple[str, ...] = ()
    role: str = "train"
    limit: int = 20_000
    weight: float = 1.0
    synthetic: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Split:
    """How rows are divided. `shares`: of learn, train, calibrate and test."""

    by: str
    shares: tuple[float, ...] = (0.3, 0.3, 0.15, 0.25)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A fold that leaves sources out; empty `hold_out` in none."""

    name: str
    hold_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EstimatorChoice:
    """Which estimator, and its parameters."""

    kind: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resources:
    """Bounds of the training process: CPU seconds, memory and output size in MiB."""

    cpu_seconds: int = 900
    memory_mib: int = 6144
    output_mib: int = 256


@dataclass(frozen=True, slots=True)
class Recipe:
    """One recipe, checked. `digest` is SHA-256 of the file's bytes."""

    name: str
    version: str
    task: Task
    question: str
    scope: str
    classes: tuple[str, ...]
    seeds: tuple[int, ...]
    sources: tuple[Source, ...]
    split: Split
    folds: tuple[HeldOut, ...]
    estimator: EstimatorChoice
    features: Mapping[str, Any]
    gates: Mapping[str, Any]
    limits: tuple[str, ...]
    resources: Resources
    published: str
    doubtful: str
    digest: str
    alert_fpr: float = 0.001
    slices: Mapping[str, Any] = field(default_factory=dict)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe by path, or a shipped one by name. Raises UsageError naming the field."""
    place = path if path.suffix == ".toml" else BUILT_IN / f"{path}.toml"
    try:
        data = place.read_bytes()
    except OSError as error:
        known = ", ".join(sorted(one.stem for one in BUILT_IN.glob("*.toml")))
        raise UnreadableInputError(
            f"the recipe cannot be read: {error.strerror}",
            where=str(place),
            hint=f"Shipped recipes: {known}",
        ) from error
    return parse_recipe(data, str(place))


def parse_recipe(data: bytes, where: str) -> Recipe:
    """Read a recipe from bytes. Raises UsageError naming the field."""
    try:
        top = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"the recipe is no TOML: {error}", where=where) from error
    tables: dict[str, list[Any]] = {
        "source": [_built(Source, one, f"{where}, source") for one in _tables(top, "source")],
        "fold": [_built(HeldOut, one, f"{where}, fold") for one in _tables(top, "fold")],
    }
    plain = {name: value for name, value in top.items() if name not in tables}
    plain["sources"] = tuple(tables["source"])
    plain["folds"] = tuple(tables["fold"])
    plain["split"] = _built(Split, top.get("split", {}), f"{where}, split")
    plain["estimator"] = _built(EstimatorChoice, top.get("estimator", {}), f"{where}, estimator")
    plain["resources"] = _built(Resources, top.get("resources", {}), f"{where}, resources")
    plain["digest"] = hashlib.sha256(data).hexdigest()
    for name in ("features", "gates"):
        plain.setdefault(name, {})
    try:
        plain["task"] = Task(str(top.get("task")))
    except ValueError:
        raise UsageError(f"expected one of {', '.join(Task)}", where=f"{where}, task") from None
    recipe = _built(Recipe, plain, where)
    _check(recipe, where)
    return recipe


def _tables(top: Mapping[str, Any], name: str) -> list[Any]:
    found = top.get(name, [])
    return found if isinstance(found, list) else [found]


def _check(recipe: Recipe, where: str) -> None:
    names = [source.name for source in recipe.sources]
    if not is_name(recipe.name):
        raise UsageError("expected lower-case letters, digits, hyphens", where=f"{where}, name")
    if not names or len(set(names)) != len(names):
        raise UsageError("expected sources with different names", where=f"{where}, source")
    for source in recipe.sources:
        if source.role not in ("train", "test", "words"):
            raise UsageError(
                "expected train, test or words", where=f"{where}, source {source.name}"
            )
    for fold in recipe.folds:
        missing = set(fold.hold_out) - set(names)
        if missing or not fold.hold_out:
            raise UsageError(
                f"holds out what is no source: {', '.join(sorted(missing)) or 'nothing'}",
                where=f"{where}, fold {fold.name}",
            )
    if len(recipe.split.shares) != 4 or abs(sum(recipe.split.shares) - 1) > 1e-6:
        raise UsageError("expected four shares that add up to 1", where=f"{where}, split.shares")
    if not recipe.seeds:
        raise UsageError("expected at least one seed", where=f"{where}, seeds")


def _built(kind: type[_T], table: object, where: str) -> _T:
    """A dataclass from a table: every field known, of its kind, and there unless it may lack."""
    if not isinstance(table, Mapping):
        raise UsageError("expected a table", where=where)
    known = {one.name: one for one in fields(kind)}  # type: ignore[arg-type]  # always a dataclass
    for name in table:
        if name not in known:
            raise UsageError(f"{name} is no field of a recipe", where=where,
                             hint=f"Known: {', '.join(known)}")  # fmt: skip
    values: dict[str, Any] = {}
    for name, one in known.items():
        if name in table:
            values[name] = _fitting(table[name], str(one.type), f"{where}, {name}")
        elif one.default is MISSING and one.default_factory is MISSING:
            raise UsageError(f"{name} is missing", where=where)
    return kind(**values)


def _fitting(value: object, kind: str, where: str) -> object:
    if isinstance(value, list):
        value = tuple(value)
    plain: dict[str, Any] = {"str": str, "int": int, "float": (int, float), "bool": bool}
    checks = {
        "<class 'str'>": "str", "<class 'int'>": "int", "<class 'float'>": "float",
        "<class 'bool'>": "bool",
    }  # fmt: skip
    kind = checks.get(kind, kind)
    expected = plain.get(kind)
    good = True
    if expected is not None:
        good = isinstance(value, expected) and (kind == "bool" or not isinstance(value, bool))
    elif kind.startswith("tuple[str"):
        good = isinstance(value, tuple) and all(isinstance(one, str) for one in value)
    elif kind.startswith("tuple[int"):
        good = isinstance(value, tuple) and all(type(one) is int for one in value)
    elif kind.startswith("tuple[float"):
        good = isinstance(value, tuple) and all(type(one) in (int, float) for one in value)
    elif "Mapping" in kind:
        good = isinstance(value, Mapping)
    if not good:
        raise UsageError(f"expected {kind}, found {value!r:.60}", where=where)
    return value
