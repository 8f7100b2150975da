"""Who starts what, how, and who reaches into whom: relations over process activity."""

import polars as pl

from hauberk.events import EntityKind, EventClass

from .names import clean, command_shape, image, path
from .rarity import RarityDetector, rarity_detector
from .relation import Relation
from .scopes import host, user

_LAUNCH = 1
_OPEN = 3
_INJECT = 4

_STARTED = pl.col("activity_id").fill_null(_LAUNCH) == _LAUNCH


def _named(rows: pl.DataFrame, account: str) -> pl.DataFrame:
    return rows.with_columns(
        host(rows, "device.hostname").fill_null("").alias("scope"),
        user(rows, account).alias("account"),
    )


def _parent_child(rows: pl.DataFrame) -> pl.DataFrame:
    parent = pl.coalesce(
        image(rows, "process.parent_process.file.path"),
        image(rows, "process.parent_process.name"),
        image(rows, "actor.process.file.path"),
    )
    return _named(rows, "actor.user.name").with_columns(
        parent.alias("context"),
        pl.coalesce(path(rows, "process.file.path"), image(rows, "process.name")).alias("object"),
    )


def _command(rows: pl.DataFrame) -> pl.DataFrame:
    started = pl.coalesce(image(rows, "process.file.path"), image(rows, "process.name"))
    return _named(rows, "actor.user.name").with_columns(
        started.alias("context"),
        (started + " " + command_shape(rows, "process.cmd_line")).alias("object"),
    )


def _user_process(rows: pl.DataFrame) -> pl.DataFrame:
    named = _named(rows, "actor.user.name")
    account = pl.coalesce("account", user(rows, "process.user.name"))
    return named.with_columns(
        account.alias("context"),
        pl.coalesce(path(rows, "process.file.path"), image(rows, "process.name")).alias("object"),
    )


def _access(rows: pl.DataFrame) -> pl.DataFrame:
    target = path(rows, "process.file.path")
    injected = pl.col("activity_id") == _INJECT
    deed = pl.when(injected).then(pl.lit(" by a thread")).otherwise(pl.lit(""))
    asked = (pl.lit(" for ") + clean(rows, "requested_permissions")).fill_null("")
    return _named(rows, "actor.user.name").with_columns(
        image(rows, "actor.process.file.path").alias("context"),
        (target + deed + asked).alias("object"),
        pl.when(injected)
        .then(pl.lit("T1055"))
        .when(target.str.ends_with("\\lsass.exe"))
        .then(pl.lit("T1003.001"))
        .alias("technique"),
    )


_ENTITIES = (
    (EntityKind.HOST, "device.hostname"),
    (EntityKind.USER, "actor.user.name"),
)


def detector() -> RarityDetector:
    """The detector `rarity-process`."""
    shared = ("activity_id", "device.hostname", "actor.user.name", "process.file.path")
    parents = (
        "process.parent_process.file.path",
        "process.parent_process.name",
        "actor.process.file.path",
    )
    return rarity_detector(
        "rarity-process",
        "Processes that are new for a parent, a user, a command line or another process",
        (
            Relation(
                rule_uid="rarity.parent-child",
                title="Process started by a parent that had never done so",
                event_class=EventClass.PROCESS_ACTIVITY,
                columns=(*shared, "process.name", *parents),
                where=_STARTED,
                read=_parent_child,
                verb="started",
                unit="starts",
                entities=_ENTITIES,
            ),
            Relation(
                rule_uid="rarity.command",
                title="Command line of a shape that is new for its program",
                event_class=EventClass.PROCESS_ACTIVITY,
                columns=(*shared, "process.name", "process.cmd_line"),
                where=_STARTED,
                read=_command,
                verb="been started as",
                unit="starts",
                entities=_ENTITIES,
            ),
            Relation(
                rule_uid="rarity.user-process",
                title="Program that is new for its user",
                event_class=EventClass.PROCESS_ACTIVITY,
                columns=(*shared, "process.name", "process.user.name"),
                where=_STARTED,
                read=_user_process,
                verb="run",
                unit="starts",
                entities=_ENTITIES,
            ),
            Relation(
                rule_uid="rarity.process-access",
                title="Process reaches into another in a way that is new to it",
                event_class=EventClass.PROCESS_ACTIVITY,
                columns=(*shared, "actor.process.file.path", "requested_permissions"),
                where=pl.col("activity_id").is_in([_OPEN, _INJECT]),
                read=_access,
                verb="opened",
                unit="accesses",
                entities=_ENTITIES,
            ),
        ),
    )
