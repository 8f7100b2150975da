"""Files' bytes into a rule set: rules, filters that narrow them, correlations that read them.

Loaded only where nothing is cached: pySigma takes longer to import than a stored set to load.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from .correlation import Correlation, Filter
from .correlation.condition import CorrelationFaultError
from .correlation.linking import Draft, link
from .correlation.reading import read_section
from .filtering import FilterDraft, FilterFaultError, apply_filters, filter_references
from .gathering import CollectionFaultError, gathered
from .program import Refusal, Rule, RuleSet
from .reading import Document, UnreadableDocumentError, documents
from .translate import LEVELS, RefusedRuleError, Translator, techniques


@dataclass(slots=True)
class _Compiled:
    """What has been made of the files so far."""

    translator: Translator
    refusals: list[Refusal]
    rules: list[Rule] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    filters: list[FilterDraft] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)  # uid to the path of who has it
    names: dict[str, str] = field(default_factory=dict)  # name to uid, "" where several bear it
    refused: set[str] = field(default_factory=set)

    def refuse(self, path: str, line: int, content: object, reason: str) -> None:
        uid = _uid(content)
        self.refusals.append(Refusal(path, line, uid, reason))
        self.refused.update(text for text in (uid.lower(), _text(content, "name")) if text)

    def is_new(self, uid: str, path: str, line: int, content: object) -> bool:
        if uid in self.places:
            self.refuse(path, line, content, f"has the id of another rule, in {self.places[uid]}")
            self.refused.discard(uid)
            return False
        self.places[uid] = path
        name = _text(content, "name")
        if name:
            self.names[name] = "" if name in self.names else uid
        return True


def compile_rules(
    contents: Sequence[tuple[str, bytes]],
    refusals: list[Refusal],
    placeholders: Mapping[str, tuple[str, ...]],
    digest: str,
) -> RuleSet:
    """Compile all files (path, bytes); what cannot be is added to `refusals`."""
    made = _Compiled(Translator(placeholders), refusals)
    for path, data in contents:
        try:
            for document in gathered(documents(data)):
                if isinstance(document, CollectionFaultError):
                    refusals.append(Refusal(path, document.line, "", str(document)))
                else:
                    _add(made, path, document)
        except UnreadableDocumentError as fault:
            refusals.append(Refusal(path, fault.line, "", str(fault)))
    correlations = {one.correlation.uid: one.correlation.uid for one in made.drafts}
    rules, filters, dangling = apply_filters(made.rules, made.filters, made.names, correlations)
    linked = link(made.drafts, rules, made.names, made.refused)
    return RuleSet(
        tuple(replace(one, silent=one.uid in linked.silent) for one in rules),
        tuple(made.translator.atoms),
        (*refusals, *dangling, *linked.refusals),
        digest,
        linked.correlations,
        tuple(filters),
    )


def _add(made: _Compiled, path: str, document: Document) -> None:
    content = document.content
    if isinstance(content, dict) and "correlation" in content:
        _add_correlation(made, path, document, content)
    elif isinstance(content, dict) and "filter" in content:
        _add_filter(made, path, document, content)
    else:
        _add_rule(made, path, document)


def _add_rule(made: _Compiled, path: str, document: Document) -> None:
    line = document.lines.get("detection", document.line)
    try:
        rule = made.translator.translate(document.content, path, document.line)
    except RefusedRuleError as fault:
        made.refuse(path, line, document.content, str(fault))
        return
    if "id" not in document.lines and rule.uid in made.places and made.places[rule.uid] == path:
        # The id stands in a document that was merged into several: they are told apart by number.
        rule = replace(rule, uid=_numbered(rule.uid, made.places))
    if made.is_new(rule.uid, path, document.line, document.content):
        made.rules.append(rule)


def _numbered(uid: str, taken: Mapping[str, str]) -> str:
    number = 2
    while f"{uid}/{number}" in taken:
        number += 1
    return f"{uid}/{number}"


def _add_correlation(
    made: _Compiled, path: str, document: Document, content: Mapping[str, object]
) -> None:
    line = document.lines.get("correlation", document.line)
    try:
        section = read_section(content["correlation"])
        level = _text(content, "level").lower() or "medium"
        if level not in LEVELS:
            raise CorrelationFaultError(f"the level {level!r} is unknown")
    except CorrelationFaultError as fault:
        made.refuse(path, line, content, str(fault))
        return
    uid = _text(content, "id").lower() or f"{path}:{document.line}"
    if not made.is_new(uid, path, document.line, content):
        return
    correlation = Correlation(
        uid=uid,
        title=_text(content, "title") or path,
        kind=section.kind,
        rules=(),
        names=section.references,
        group_by=section.group_by,
        timespan=section.timespan,
        tests=section.tests,
        expression=section.expression,
        fields=section.fields,
        percentile=section.percentile,
        generate=section.generate,
        level=level,
        status=_text(content, "status").lower(),
        techniques=techniques(_tags(content)),
        name=_text(content, "name"),
        path=path,
        line=line,
        description=_text(content, "description")[:2000],
    )
    made.drafts.append(Draft(correlation, section))


def _add_filter(
    made: _Compiled, path: str, document: Document, content: Mapping[str, object]
) -> None:
    line = document.lines.get("filter", document.line)
    try:
        references = filter_references(content["filter"])
        source, condition = made.translator.translate_filter(content)
    except (FilterFaultError, RefusedRuleError) as fault:
        made.refuse(path, line, content, str(fault))
        return
    uid = _text(content, "id").lower() or f"{path}:{document.line}"
    if made.is_new(uid, path, document.line, {}):
        one = Filter(
            uid,
            _text(content, "title") or path,
            _text(content, "name"),
            (),
            path,
            line,
            _text(content, "description")[:2000],
        )
        made.filters.append(FilterDraft(one, source, condition, references))


def _uid(content: object) -> str:
    return _text(content, "id")[:100]


def _text(content: object, key: str) -> str:
    value = content.get(key) if isinstance(content, dict) else None
    return str(value)[:4000] if isinstance(value, str | int | float) else ""


def _tags(content: Mapping[str, object]) -> Iterator[str]:
    tags = content.get("tags")
    yield from (str(tag) for tag in tags) if isinstance(tags, list) else ()
