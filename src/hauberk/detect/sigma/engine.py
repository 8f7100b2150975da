"""All logs' plans: made when a log is first seen, few whatever logs an attacker names."""

from collections.abc import Iterator
from itertools import product

from hauberk.events import Fields, LogKey

from .memory import Budget
from .plan import Plan
from .predicate import Op, fold
from .program import RuleSet
from .taxonomy import Selector, Taxonomy, load_taxonomy

MEMORY = 96 << 20
"""Rough bytes that remembered values and rows may take together."""

MAX_PLANS = 512
"""Plans kept. Their number is bounded by logs and codes that rules name; this bounds it again."""


_NATIVE = Selector()

_UNNAMED = "*"
"""Stands for every event code that no rule names."""


class Engine:
    """Matches rows of any log against a rule set."""

    def __init__(
        self, rules: RuleSet, taxonomy: Taxonomy | None = None, *, memory: int = MEMORY
    ) -> None:
        self.rules = rules
        self.taxonomy = taxonomy or load_taxonomy(rules.taxonomy)
        self._budget = Budget(memory)
        self._plans: dict[tuple[LogKey, bool], Plan] = {}
        self._selectors = [self.taxonomy.selectors(rule.source) for rule in rules.rules]
        self._by_log: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
        self._products: set[str] = set()
        self._services: set[str] = set()
        self._codes: set[str] = set()
        for index, selectors in enumerate(self._selectors):
            for order, selector in enumerate(selectors):
                self._products.add(selector.product)
                self._services.add(selector.service)
                self._codes.update(selector.codes)
                for code in selector.codes or ("",):
                    log = (selector.product, selector.service, code)
                    self._by_log.setdefault(log, []).append((index, order))
        named = set(self.taxonomy.code_fields.values())
        for atom in rules.atoms:
            if atom.field in named and atom.predicate.op is Op.EQUALS:
                self._codes.add(atom.predicate.text)

    def selectors(self, rule: int) -> tuple[Selector, ...]:
        """Logs that a rule reads; none where its log source is unknown."""
        return self._selectors[rule]

    def selector(self, rule: int, key: LogKey) -> Selector | None:
        """How a rule reads a log, or None where it does not read it."""
        narrowed = self._narrowed(key)
        return next((s for s in self._selectors[rule] if s.selects(narrowed)), None)

    def plan(self, key: LogKey, *, native: bool = False) -> Plan:
        """The plan for a log; with `native`, fields are read under Sigma's own names."""
        narrowed = self._narrowed(key)
        plan = self._plans.get((narrowed, native))
        if plan is None:
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            chosen = [
                (index, _NATIVE if native else selector)
                for index, selector in self._reading(narrowed)
            ]
            plan = self._plans[(narrowed, native)] = Plan(
                self.rules,
                chosen,
                code=narrowed.event_code,
                code_field=self.taxonomy.code_fields.get(narrowed.product)
                if key.event_code
                else None,
                budget=self._budget,
            )
        return plan

    def _reading(self, key: LogKey) -> list[tuple[int, Selector]]:
        """Rules that read a log, and for each the first of its selectors that selects it."""
        first: dict[int, int] = {}
        for log in product({key.product, ""}, {key.service, ""}, {key.event_code, ""}):
            for index, order in self._by_log.get(log, ()):
                first[index] = min(order, first.get(index, order))
        return [(index, self._selectors[index][first[index]]) for index in sorted(first)]

    def match(self, key: LogKey, fields: Fields) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Row number and numbers of the rules that fire there, for rows where any does."""
        if self._budget.is_spent:
            self.forget()
        yield from self.plan(key).match(fields)

    def forget(self) -> None:
        """Drop every remembered value and row."""
        for plan in self._plans.values():
            plan.forget()
        self._budget.used = 0

    def _narrowed(self, key: LogKey) -> LogKey:
        """The key with everything that no rule names made one, so that plans stay few."""
        product, service, code = fold(key.product), fold(key.service), fold(key.event_code)
        return LogKey(
            product if product in self._products else "",
            service if service in self._services else "",
            code if code in self._codes or not code else _UNNAMED,
        )
