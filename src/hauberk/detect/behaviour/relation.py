"""Relations: who does what to what, as three names an event.

A relation reads one event class and says of each event its *scope* (the host or account where it
happened), its *context* (what one knows: the parent image, the user, the principal) and its
*object* (what is asked: is this one expected here?).
"""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from hauberk.events import EntityKind, EventClass

Columns = tuple[str, ...]

ALWAYS = pl.lit(value=True)


@dataclass(frozen=True, slots=True)
class Relation:
    """One relation and how it is told.

    `read` gets distinct rows of `columns` and gives them the string columns `scope`, `context`,
    `object`, and if it likes `technique`; rows in which one of the first three is null are not
    of the relation. `verb` and `unit` make the sentence "CONTEXT had never VERB OBJECT before
    (0 of 1,204 UNIT)". `entities` are kinds and the columns that hold them, the first what the
    finding is about.
    """

    rule_uid: str
    title: str
    event_class: EventClass
    columns: Columns
    read: Callable[[pl.DataFrame], pl.DataFrame]
    verb: str
    unit: str
    entities: tuple[tuple[EntityKind, str], ...]
    where: pl.Expr = ALWAYS
    techniques: tuple[str, ...] = ()
    severity_id: int = 2
