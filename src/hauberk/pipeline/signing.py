"""Statements that people signed elsewhere, on their way through the inbox into the ledger.

An act `console.statement` carries one under `signed`, as JSON text. Where the home's registry takes
it, the statement becomes a ledger entry of its own type right behind the act; where it does not,
nothing of it reaches the registry: that it was tried is an entry, an event, and judged by rules.

Nothing of models is imported before the first statement comes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from hauberk.errors import HauberkError, RefusedError
from hauberk.events import CONSOLE_SERVICE, OWN_CLASS, OWN_PRODUCT
from hauberk.store import Entry, Home

if TYPE_CHECKING:
    from hauberk.models import Registry

STATEMENT = "console.statement"
"""Type of the acts that carry a statement."""

REFUSED = "inbox.statement_refused"
"""Type of the ledger entry that says why a statement was not let in."""

MOVED = "model.moved"
"""Type of a step between stages (`hauberk.models.MOVED`)."""

GOVERNED = ("person.", "policy.", "board.", "model.")
"""How the types of entries begin that decide which models judge."""

_PARTS = frozenset({"type", "statement", "signatures"})


@dataclass(frozen=True, slots=True)
class Admitted:
    """What acts became: ledger entries, and records of the events that tell of them."""

    entries: Sequence[Mapping[str, object]] = ()
    records: Sequence[Mapping[str, object]] = ()


@dataclass(slots=True)
class Statements:
    """Lets statements in, each by what the ledger and those let in before it say."""

    home: Home
    _let_in: list[Entry] = field(default_factory=list)  # those that may not be committed yet

    def admit(self, acts: Sequence[Mapping[str, object]]) -> Admitted:
        """Let acts in that carry statements, in order; others are passed over."""
        ours = [one for one in acts if one.get("type") == STATEMENT]
        if not ours:
            return Admitted()
        now = self.home.clock()
        registry, position = self.home.patiently(self._registry)
        entries: list[Mapping[str, object]] = []
        records: list[Mapping[str, object]] = []
        for act in ours:
            made, told = self._one(registry, act, position, now)
            entries.append(made)
            records += told
            position += 1
        return Admitted(entries, records)

    def _registry(self) -> "tuple[Registry, int]":
        """The registry with what was let in, and the first position that no entry of it has."""
        from hauberk.models import ENTRY_PREFIXES, fold  # noqa: PLC0415

        stored = self.home.proven_entries(ENTRY_PREFIXES)
        there = {one.body.get("act") for one in stored}
        self._let_in = [one for one in self._let_in if one.body["act"] not in there]
        first = max([self.home.ledger.size, *(one.position + 1 for one in self._let_in)])
        return fold([*stored, *self._let_in], self.home.origin), first

    def _one(
        self, registry: "Registry", act: Mapping[str, object], position: int, now: datetime
    ) -> tuple[Mapping[str, object], list[Mapping[str, object]]]:
        from hauberk.models import ForgedError, admit_statement  # noqa: PLC0415

        uid, by = str(act.get("act", "")), str(act.get("by", ""))
        body: dict[str, Any] = {}
        try:
            body = {**_read(act.get("signed")), "act": uid, "by": by}
            entry = Entry(position, str(body["type"]), now, body)
            admit = partial(admit_statement, self.home, registry, entry)
            tells = self.home.patiently(admit)
        except HauberkError as error:
            forged = isinstance(error, ForgedError)
            reason = error.what
        else:
            self._let_in.append(entry)
            return body, [{**one.record(), "act": uid} for one in tells]
        refused = {
            "type": REFUSED, "act": uid, "by": by, "at": now.isoformat(), "reason": reason,
            "forged": forged,
        }  # fmt: skip
        tried = [_told(uid, by, reason, now, forged=forged)]
        if not forged and body.get("type") == MOVED:
            tried.append(_not_moved(body, reason, now))
        return refused, tried


def _read(signed: object) -> dict[str, Any]:
    """A signed statement. Raises RefusedError for what is none."""
    from hauberk.models import ForgedError  # noqa: PLC0415

    try:
        body = json.loads(str(signed))
    except (ValueError, RecursionError) as error:
        raise ForgedError("it is no statement") from error
    if not isinstance(body, dict) or body.keys() != _PARTS:
        raise ForgedError("it is no statement")
    if not isinstance(body["type"], str) or not isinstance(body["statement"], dict):
        raise ForgedError("it is no statement")
    if not isinstance(body["signatures"], list) or len(body["signatures"]) > 16:
        raise RefusedError("its signatures are no list of at most 16")
    return body


def _told(uid: str, by: str, reason: str, now: datetime, *, forged: bool) -> Mapping[str, object]:
    """The record of a refusal. One that is forged reads like a line of the inbox that is."""
    return {
        "class_uid": int(OWN_CLASS),
        "product": OWN_PRODUCT,
        "log": CONSOLE_SERVICE,
        "time": now.isoformat(),
        "status": "failure",
        "operation": "inbox" if forged else "statement-refused",
        "check": "forged" if forged else "refused",
        "actor": by,
        "act": uid,
        "samples": 1,
        "message": f"a statement that {by or 'nobody'} sent was refused: {reason}"[:500],
    }


def _not_moved(body: Mapping[str, Any], reason: str, now: datetime) -> Mapping[str, object]:
    """The record of a step up that was refused, as where it is tried at the command line."""
    from hauberk.models import Occurrence  # noqa: PLC0415

    said = body["statement"]
    tried = Occurrence(
        "promote", now, succeeded=False, actor=body["by"], digest=str(said.get("artifact", "")),
        before=str(said.get("from", "")), after=str(said.get("to", "")), message=reason,
    )  # fmt: skip
    return {**tried.record(), "act": body["act"]}


def governed_since(home: Home, position: int) -> tuple[bool, int]:
    """Whether the ledger got entries since a position that decide on models, and its size now."""
    size = home.ledger.size
    fresh = home.ledger.entries(position, size) if size > position else ()
    return any(str(one.get("type")).startswith(GOVERNED) for one in fresh), size
