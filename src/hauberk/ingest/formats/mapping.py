"""A mapping: what a small TOML file says about a CSV or JSON lines file of some product.

Mappings are strangers' data: everything in them is checked when they are read.
"""

import dataclasses
import tomllib
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path

import polars as pl

from hauberk.errors import UsageError
from hauberk.events import TIME, EventClass, from_epoch_seconds, from_iso, schema

_HINT = "See 'Mapped' in docs/formats.md"
_PER_SECOND = {"seconds": 1.0, "milliseconds": 1e3, "microseconds": 1e6, "nanoseconds": 1e9}


class Form(StrEnum):
    """How a mapped file is written."""

    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """Where the values of one OCSF column come from.

    The text of `field`, or what stands before or after the first `before`/`after` in it (all of
    it where `after` does not occur, nothing where `before` does not), translated by `values`,
    cut at `split` into a list; `otherwise` where that gives nothing.
    """

    field: str | None = None
    before: str | None = None
    after: str | None = None
    split: str | None = None
    otherwise: str | None = None
    values: Dictionary[str, str] = dataclasses.field(default_factory=dict)

    def read(self, source: pl.DataFrame) -> pl.Expr:
        """The values as text, or as lists of texts where `split` is given."""
        text: pl.Expr = pl.lit(None, pl.String())
        if self.field is not None and self.field in source.columns:
            text = pl.col(self.field)
        if self.before is not None:
            parts = text.str.splitn(self.before, 2)
            text = pl.when(text.str.contains(self.before, literal=True)).then(
                parts.struct.field("field_0")
            )
        elif self.after is not None:
            text = pl.coalesce(text.str.splitn(self.after, 2).struct.field("field_1"), text)
        text = text.str.strip_chars()
        text = pl.when(text != "").then(text)
        if self.values:
            text = text.replace_strict(
                list(self.values), list(self.values.values()), default=None, return_dtype=pl.String
            )
        if self.otherwise is not None:
            text = text.fill_null(self.otherwise)
        return text.str.split(self.split) if self.split is not None else text


@dataclass(frozen=True, slots=True)
class Mapping:
    """One kind of file. `header` names the columns of a CSV file that has no header line."""

    name: str
    form: Form
    product: str
    service: str
    event_class: EventClass
    recognise: tuple[str, ...]
    leave_out: frozenset[str]
    time_field: str
    time_unit: str
    columns: Dictionary[str, ColumnRule]
    header: tuple[str, ...] = ()

    def needed(self) -> list[str]:
        """Source fields that the events are made from."""
        names = [rule.field for rule in self.columns.values() if rule.field is not None]
        return list(dict.fromkeys([self.time_field, *names]))

    def events(self, source: pl.DataFrame) -> pl.DataFrame:
        """Events from the source's fields as columns of text; a field may be missing."""
        wanted = schema(self.event_class)
        made = source.select(
            pl.repeat(None, source.height, dtype=pl.Null()).alias("nothing"),
            *(rule.read(source).alias(name) for name, rule in self.columns.items()),
        ).drop("nothing")
        typed = made.select(pl.col(name).cast(wanted[name], strict=False) for name in made.columns)
        return typed.with_columns(self._time(source).alias("time"))

    def _time(self, source: pl.DataFrame) -> pl.Series:
        if self.time_field not in source.columns:
            return pl.Series([None] * source.height, dtype=TIME)
        column = source[self.time_field]
        if self.time_unit == "iso":
            return from_iso(column)
        return from_epoch_seconds(
            column.cast(pl.Float64(), strict=False) / _PER_SECOND[self.time_unit]
        )


def shipped_mappings() -> list[Mapping]:
    """The mappings that come with Hauberk."""
    folder = resources.files(__package__).joinpath("mappings")
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    return [read_mapping(file.read_text("utf-8"), file.name) for file in files]


def mappings_in(folder: Path) -> list[Mapping]:
    """The mappings in a folder. Raises UsageError where it, or one of them, cannot be read."""
    try:
        return [read_mapping(f.read_text("utf-8"), str(f)) for f in sorted(folder.glob("*.toml"))]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("cannot read mappings", where=str(folder), hint=str(error)) from error


def read_mapping(text: str, where: str) -> Mapping:
    """A mapping from TOML. Raises UsageError that says what is wrong and where."""
    try:
        facts = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"not TOML: {error}", where=where, hint=_HINT) from error
    table = _Table(facts, where)
    name = table.text("name")
    table_name = table.text("class", "detection_finding")
    classes = {event_class.table: event_class for event_class in EventClass}
    if table_name not in classes:
        raise UsageError(f"no event class is called '{table_name}'", where=where, hint=_HINT)
    event_class = classes[table_name]
    form = table.text("form")
    if form not in set(Form):
        raise UsageError(f"form is '{form}'; expected csv or json", where=where, hint=_HINT)
    time = table.table("time")
    unit = time.text("unit")
    if unit != "iso" and unit not in _PER_SECOND:
        raise UsageError(
            f"unit is '{unit}'; expected iso, {', '.join(_PER_SECOND)}", where=where, hint=_HINT
        )
    columns = table.table("columns")
    rules = {column: _rule(columns.table(column)) for column in columns.facts}
    _check_columns(rules, event_class, where)
    recognise = tuple(table.table("recognise").texts("fields"))
    if not recognise:
        raise UsageError("no fields to recognise a file by", where=where, hint=_HINT)
    return Mapping(
        name=name,
        form=Form(form),
        product=table.text("product", name).lower(),
        service=table.text("service", "").lower(),
        event_class=event_class,
        recognise=recognise,
        leave_out=frozenset(table.table("fields").texts("leave_out")),
        time_field=time.text("field"),
        time_unit=unit,
        columns=rules,
        header=tuple(table.texts("header")),
    )


def _check_columns(rules: Dictionary[str, ColumnRule], event_class: EventClass, where: str) -> None:
    known = schema(event_class)
    for column, rule in rules.items():
        if column not in known or column == "time":
            raise UsageError(
                f"{event_class.table} has no column '{column}' to map to", where=where, hint=_HINT
            )
        if (rule.split is not None) != (known[column] == pl.List(pl.String())):
            raise UsageError(
                f"'{column}' is {'a list: give' if rule.split is None else 'no list: leave out'} "
                "`split`", where=where, hint=_HINT,
            )  # fmt: skip


def _rule(table: "_Table") -> ColumnRule:
    values = table.table("values")
    rule = ColumnRule(
        field=table.optional("field"),
        before=table.optional("before"),
        after=table.optional("after"),
        split=table.optional("split"),
        otherwise=table.optional("otherwise"),
        values={key: values.text(key) for key in values.facts},
    )
    if rule.field is None and rule.otherwise is None:
        raise UsageError("a column needs `field` or `otherwise`", where=table.where, hint=_HINT)
    return rule


@dataclass(frozen=True, slots=True)
class _Table:
    """Typed reading of a TOML table."""

    facts: Dictionary[str, object]
    where: str

    def optional(self, key: str) -> str | None:
        value = self.facts.get(key)
        if value is None:
            return None
        if isinstance(value, bool | dict | list) or value == "":
            raise UsageError(f"`{key}` is no text", where=self.where, hint=_HINT)
        return str(value)

    def text(self, key: str, otherwise: str | None = None) -> str:
        value = self.optional(key)
        if value is None and otherwise is None:
            raise UsageError(f"`{key}` is missing", where=self.where, hint=_HINT)
        return value if value is not None else str(otherwise)

    def texts(self, key: str) -> Sequence[str]:
        values = self.facts.get(key, [])
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise UsageError(f"`{key}` is no list of texts", where=self.where, hint=_HINT)
        return [str(value) for value in values]

    def table(self, key: str) -> "_Table":
        value = self.facts.get(key, {})
        if not isinstance(value, dict):
            raise UsageError(f"`{key}` is no table", where=self.where, hint=_HINT)
        return _Table(value, f"{self.where} [{key}]")
