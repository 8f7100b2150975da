"""Which program loads which library: a relation over module loads."""

import polars as pl

from hauberk.events import EntityKind, EventClass

from .names import clean, image, path
from .rarity import RarityDetector, rarity_detector
from .relation import Relation
from .scopes import host

_TRUSTED = ("valid", "true", "signed", "trusted")
_WRITABLE = r"\\users\\|\\programdata\\|\\temp\\|\\perflogs\\|\\\$recycle|\\public\\"


def _loads(rows: pl.DataFrame) -> pl.DataFrame:
    status = clean(rows, "module.file.signature.status")
    unsigned = status.is_not_null() & ~status.is_in(_TRUSTED)
    module = path(rows, "module.file.path")
    return rows.with_columns(
        host(rows, "device.hostname").fill_null("").alias("scope"),
        image(rows, "actor.process.file.path").alias("context"),
        pl.when(unsigned).then(module + " (unsigned)").otherwise(module).alias("object"),
        # A library of a signed name from where users write: the shape of side-loading.
        pl.when(unsigned & module.str.contains(_WRITABLE))
        .then(pl.lit("T1574.001"))
        .alias("technique"),
    )


def detector() -> RarityDetector:
    """The detector `rarity-module`."""
    return rarity_detector(
        "rarity-module",
        "Libraries that are new for a program",
        (
            Relation(
                rule_uid="rarity.module",
                title="Program loads a library that is new to it",
                event_class=EventClass.MODULE_ACTIVITY,
                columns=(
                    "device.hostname",
                    "actor.user.name",
                    "actor.process.file.path",
                    "module.file.path",
                    "module.file.signature.status",
                ),
                read=_loads,
                verb="loaded",
                unit="loads",
                entities=(
                    (EntityKind.HOST, "device.hostname"),
                    (EntityKind.USER, "actor.user.name"),
                ),
            ),
        ),
    )
