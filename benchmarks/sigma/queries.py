"""The rules as SQL for SQLite, made by pySigma's own backend: the peer, and the oracle.

Which logs a rule reads and what its fields are called there is taken from Hauberk's taxonomy, so
that both sides judge the same events; matching is entirely SQLite's and the backend's.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from sigma.backends.sqlite.sqlite import sqliteBackend
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError
from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
from sigma.processing.transformations import FieldMappingTransformation
from sigma.rule import SigmaRule

from hauberk.detect.sigma import LogSource, Selector, load_taxonomy

_PRODUCTS = ("", "windows")

TEXTS = "_texts"
"""The column of an event's values, one a line, in which keywords are looked for."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A column that a log source makes of others: the first with a value, or all of them joined."""

    name: str
    service: str
    codes: list[str]
    columns: list[str]
    join: str | None
    prefixes: dict[str, str]
    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Queries:
    """One rule may have several; `columns` are all fields that any of them names."""

    sql: list[tuple[str, str]]
    columns: list[str]
    derived: list[Derived]
    refused: list[tuple[str, str]]


def queries(folder: Path, cache: Path, *, keywords: bool) -> Path:
    """A JSON file of `Queries` for every rule below a folder, converted once."""
    files = sorted(folder.rglob("*.yml"))
    digest = hashlib.blake2b(digest_size=12)
    for path in files:
        digest.update(path.read_bytes())
    target = cache / f"queries-{digest.hexdigest()}-{int(keywords)}.json"
    if not target.exists():
        target.write_text(json.dumps(asdict(_converted(files, keywords=keywords))))
    return target


def _converted(files: Iterable[Path], *, keywords: bool) -> Queries:
    taxonomy = load_taxonomy()
    sql: list[tuple[str, str]] = []
    refused: list[tuple[str, str]] = []
    columns: set[str] = {TEXTS} if keywords else set()
    derived: dict[str, Derived] = {}
    for path in files:
        try:
            collection = SigmaCollection.from_yaml(path.read_text("utf-8"))
        except SigmaError as fault:
            refused.append((str(path), str(fault)))
            continue
        for rule in collection.rules:
            product = rule.logsource.product if isinstance(rule, SigmaRule) else None
            if not isinstance(rule, SigmaRule) or (product or "windows").lower() != "windows":
                continue
            source = LogSource(
                *(
                    (part or "").lower()
                    for part in (
                        rule.logsource.product,
                        rule.logsource.category,
                        rule.logsource.service,
                    )
                )
            )
            selectors = (one for one in taxonomy.selectors(source) if one.product in _PRODUCTS)
            for selector in dict.fromkeys(map(_Selector, selectors)):
                try:
                    _one(rule, selector, sql, columns, derived, keywords=keywords)
                except (SigmaError, NotImplementedError) as fault:
                    refused.append((str(rule.id), str(fault)))
    return Queries(sql, sorted(columns), list(derived.values()), refused)


class _Selector:
    """A selector that can be a key: by the logs that it means."""

    def __init__(self, selector: Selector) -> None:
        self.of = selector
        self._key = (selector.service, selector.codes)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Selector) and self._key == other._key


def _one(
    rule: SigmaRule,
    wrapped: _Selector,
    sql: list[tuple[str, str]],
    columns: set[str],
    derived: dict[str, Derived],
    *,
    keywords: bool,
) -> None:
    selector = wrapped.of
    names: dict[str | None, str | list[str]] = {}
    for field, source in selector.fields.items():
        if source.columns == (field,) and source.is_plain:
            continue
        if source.is_plain:
            names[field] = source.columns[0]
            continue
        spelled = json.dumps([field, selector.service, selector.codes, source.columns])
        digest = hashlib.blake2b(spelled.encode(), digest_size=8).hexdigest()
        names[field] = made = f"{field}_{digest}"
        derived[made] = Derived(
            made, selector.service, list(selector.codes), list(source.columns),
            source.join, dict(source.prefixes), dict(source.values),
        )  # fmt: skip
    pipeline = ProcessingPipeline(items=[ProcessingItem(FieldMappingTransformation(names))])
    backend = sqliteBackend(pipeline, fulltext_field=TEXTS if keywords else None)  # type: ignore[no-untyped-call]
    # The backend marks a rule as it converts it, so each log gets a rule of its own.
    own = SigmaRule.from_dict(rule.to_dict())
    for query in backend.convert_rule(own):  # type: ignore[no-untyped-call]
        log = []
        if selector.service:
            log.append(f"log_service = '{selector.service}'")
        if selector.codes:
            log.append(f"log_code IN ({', '.join(repr(code) for code in selector.codes)})")
        where = query.replace("SELECT * FROM logs WHERE ", "", 1)
        conditions = " AND ".join([*log, f"({where})"])
        sql.append((str(rule.id), f"SELECT rowid FROM logs WHERE {conditions}"))  # noqa: S608
    for name in backend.required_fields(own):  # type: ignore[no-untyped-call]
        columns.update((name, str(names.get(name, name))))
