"""Sigma's log sources and field names in terms of our logs, read from `taxonomy.toml`."""

import hashlib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from hauberk.errors import UsageError
from hauberk.events import LogKey


@dataclass(frozen=True, slots=True)
class LogSource:
    """A rule's `logsource`; "" where it says nothing."""

    product: str = ""
    category: str = ""
    service: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.product, self.category, self.service) if part)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule's field comes from in one log.

    The first of `columns` that has a value, or all of them joined by `join`; then the first prefix
    that fits is replaced, and a value listed in `values` becomes another.
    """

    columns: tuple[str, ...]
    join: str | None = None
    prefixes: tuple[tuple[str, str], ...] = ()
    values: tuple[tuple[str, str], ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the value is that of one column as it stands."""
        return len(self.columns) == 1 and not self.prefixes and not self.values


@dataclass(frozen=True, slots=True)
class Selector:
    """Logs that a log source means, and the names of its fields there.

    An empty product or service, or no codes, means any.
    """

    product: str = ""
    service: str = ""
    codes: tuple[str, ...] = ()
    fields: Mapping[str, Source] = field(default_factory=dict)

    def selects(self, key: LogKey) -> bool:
        """Whether the log is meant."""
        return (
            self.product in ("", key.product)
            and self.service in ("", key.service)
            and (not self.codes or key.event_code in self.codes)
        )

    def source(self, name: str) -> Source:
        """Where the rule's field `name` is found."""
        return self.fields.get(name) or Source((name,))


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """Log sources to selectors, and per product the field that holds the event code."""

    logs: Mapping[LogSource, tuple[Selector, ...]]
    code_fields: Mapping[str, str]
    digest: str = ""  # of a user's own file; "" for the shipped one alone
    aliases: tuple[Selector, ...] = ()  # logs with further names of fields there

    def selectors(self, source: LogSource) -> tuple[Selector, ...]:
        """Logs that a rule of this source reads; none where its category is unknown here.

        A source that the table does not name is taken at its word: its product and service.
        """
        selectors = self._listed(source)
        for alias in self.aliases:
            selectors = tuple(one for each in selectors for one in _aliased(each, alias))
        return selectors

    def _listed(self, source: LogSource) -> tuple[Selector, ...]:
        found = self.logs.get(source)
        if found is not None:
            return found
        if not source.category:
            by_service = self.logs.get(LogSource("", "", source.service))
            if by_service and source.service:
                return by_service
            return (Selector(source.product, source.service),)
        found = self.logs.get(LogSource(source.product, source.category)) or self.logs.get(
            LogSource("", source.category)
        )
        if found is None:
            return ()
        narrowed = tuple(
            selector
            for selector in found
            if source.service in ("", selector.service or source.service)
            and source.product in ("", selector.product or source.product)
        )
        return tuple(
            Selector(
                selector.product or source.product,
                selector.service or source.service,
                selector.codes,
                selector.fields,
            )
            for selector in narrowed
        )


def _aliased(selector: Selector, alias: Selector) -> Iterator[Selector]:
    """A selector with an alias' names of fields, for the part of its logs that the alias means."""
    for mine, other in ((selector.product, alias.product), (selector.service, alias.service)):
        if mine and other and mine != other:
            yield selector
            return
    codes = selector.codes or alias.codes
    if selector.codes and alias.codes:
        codes = tuple(code for code in selector.codes if code in alias.codes)
        if not codes:
            yield selector
            return
    part = Selector(
        selector.product or alias.product,
        selector.service or alias.service,
        codes,
        {**selector.fields, **alias.fields},
    )
    yield part
    if part != replace(selector, fields=part.fields):
        yield selector


def load_taxonomy(extra: Path | None = None) -> Taxonomy:
    """The shipped taxonomy, extended by a file of the same form whose entries win.

    The file may use the shipped sets of fields by their names. A `log` with `extend = true` adds
    its logs to those that the shipped one means; `alias` adds names of fields to every rule that
    reads the logs it names. Raises UsageError where the file cannot be read or is not of that form.
    """
    shipped = _shipped()
    if extra is None:
        return shipped
    try:
        data = extra.read_bytes()
        added = _taxonomy(tomllib.loads(data.decode("utf-8")), shipped)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise UsageError(
            f"this taxonomy cannot be used: {fault}",
            where=str(extra),
            hint="Its form is that of taxonomy.toml, described in docs/sigma.md",
        ) from fault
    return Taxonomy(
        {**shipped.logs, **added.logs},
        {**shipped.code_fields, **added.code_fields},
        hashlib.blake2b(data, digest_size=6).hexdigest(),
        added.aliases,
    )


@cache
def _shipped() -> Taxonomy:
    return _taxonomy(_shipped_facts(), None)


@cache
def _shipped_facts() -> Mapping[str, Any]:
    text = resources.files(__package__).joinpath("taxonomy.toml").read_text("utf-8")
    return tomllib.loads(text)


def _taxonomy(facts: Mapping[str, Any], shipped: Taxonomy | None) -> Taxonomy:
    """`Any`: the values of a TOML file, checked as they are taken apart."""
    sets = {**(_shipped_facts().get("fields", {}) if shipped else {}), **facts.get("fields", {})}
    renames = {name: _renamed(fields) for name, fields in sets.items()}
    logs: dict[LogSource, tuple[Selector, ...]] = {}
    for entry in facts.get("log", ()):
        selectors = tuple(
            Selector(
                select.get("product", ""),
                service,
                tuple(str(code).lower() for code in select.get("codes", ())),
                renames[select["fields"]] if "fields" in select else {},
            )
            for select in entry["select"]
            for service in _texts(select.get("service", ""))
        )
        for category in _texts(entry.get("category", "")):
            for service in _texts(entry.get("service", "")):
                source = LogSource(entry.get("product", ""), category, service)
                more = shipped.logs.get(source, ()) if shipped and entry.get("extend") else ()
                logs[source] = (*selectors, *more)
    aliases = tuple(
        Selector(
            str(entry.get("product", "")),
            str(entry.get("service", "")),
            tuple(str(code).lower() for code in entry.get("codes", ())),
            _renamed(entry["fields"]),
        )
        for entry in facts.get("alias", ())
    )
    return Taxonomy(logs, dict(facts.get("code_field", {})), aliases=aliases)


def _renamed(fields: Mapping[str, Any]) -> dict[str, Source]:
    """`Any`: values of a TOML file, by the name that Sigma gives the field."""
    return {target: _source(spec) for target, spec in fields.items()}


def _texts(value: str | Sequence[str]) -> Sequence[str]:
    return (value,) if isinstance(value, str) else value


def _source(spec: Any) -> Source:
    """`Any`: a value of a TOML file: a column, a list of them, or a table."""
    if isinstance(spec, str | list):
        return Source(tuple(_texts(spec)))
    return Source(
        tuple(_texts(spec["from"])),
        spec.get("join"),
        tuple(spec.get("prefixes", {}).items()),
        tuple(spec.get("values", {}).items()),
    )
