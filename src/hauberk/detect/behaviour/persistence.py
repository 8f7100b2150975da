"""What is set up to run again: relations over services, scheduled jobs and autostart keys."""

import polars as pl

from hauberk.events import EntityKind, EventClass

from .names import command_shape, image, path, varying
from .rarity import RarityDetector, rarity_detector
from .relation import Relation
from .scopes import host

_CREATE = 1

_AUTOSTART = (
    r"\\currentversion\\(?:run|runonce|runonceex|runservices|runservicesonce|winlogon|windows|"
    r"policies\\explorer\\run|image file execution options|silentprocessexit|shellserviceobject|"
    r"explorer\\shell folders|explorer\\user shell folders|explorer\\browser helper objects)"
    r"(?:\\|$)"
    r"|\\control\\(?:session manager|lsa|print\\monitors|terminal server)(?:\\|$)"
    r"|\\active setup\\installed components\\|\\inprocserver32|\\shell\\open\\command"
    r"|\\environment$|\\command processor$|\\netsh$|\\amsi\\providers\\"
    r"|\\currentcontrolset\\services\\|\\controlset\d+\\services\\"
)

_TECHNIQUES = (
    (r"\\run(?:once|onceex|services|servicesonce)?(?:\\|$)", "T1547.001"),
    (r"\\winlogon", "T1547.004"),
    (r"\\image file execution options|\\silentprocessexit", "T1546.012"),
    (r"\\inprocserver32", "T1546.015"),
    (r"\\control\\lsa", "T1547.005"),
    (r"\\print\\monitors", "T1547.010"),
    (r"\\active setup", "T1547.014"),
    (r"\\services\\", "T1543.003"),
)

_ENTITIES = ((EntityKind.HOST, "device.hostname"), (EntityKind.USER, "actor.user.name"))
_SHARED = ("device.hostname", "actor.user.name", "actor.process.file.path")


def _scope(rows: pl.DataFrame) -> pl.Series:
    return host(rows, "device.hostname").fill_null("").alias("scope")


def _services(rows: pl.DataFrame) -> pl.DataFrame:
    started = pl.coalesce(path(rows, "win_service.cmd_line"), varying(rows, "win_service.name"))
    return rows.with_columns(
        _scope(rows),
        pl.lit("the estate's service control").alias("context"),
        started.alias("object"),
    )


def _jobs(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(
        _scope(rows),
        pl.lit("the estate's scheduler").alias("context"),
        pl.concat_str(
            varying(rows, "job.name").fill_null("?"),
            command_shape(rows, "job.cmd_line").fill_null(""),
            separator=" ",
        )
        .str.strip_chars(" ")
        .alias("object"),
    )


def _autostarts(rows: pl.DataFrame) -> pl.DataFrame:
    key = varying(rows, "reg_key.path").str.replace(
        r"^(?:hklm|hku\\[^\\]+|hkcu|\\registry\\[^\\]+)", ""
    )
    technique = pl.lit(None, pl.String)
    for pattern, name in reversed(_TECHNIQUES):
        technique = pl.when(key.str.contains(pattern)).then(pl.lit(name)).otherwise(technique)
    return rows.with_columns(
        _scope(rows),
        pl.coalesce(image(rows, "actor.process.file.path"), pl.lit("an unnamed process")).alias(
            "context"
        ),
        pl.when(key.str.contains(_AUTOSTART))
        .then(pl.concat_str(key, varying(rows, "reg_value.name").fill_null(""), separator=" : "))
        .alias("object"),
        technique.alias("technique"),
    )


def detector() -> RarityDetector:
    """The detector `rarity-persistence`."""
    return rarity_detector(
        "rarity-persistence",
        "Services, scheduled jobs and autostart keys that are new here",
        (
            Relation(
                rule_uid="rarity.service",
                title="Service that is new here",
                event_class=EventClass.WINDOWS_SERVICE_ACTIVITY,
                columns=("activity_id", *_SHARED, "win_service.name", "win_service.cmd_line"),
                where=pl.col("activity_id").fill_null(_CREATE) == _CREATE,
                read=_services,
                verb="installed",
                unit="installations",
                entities=_ENTITIES,
                techniques=("T1543.003",),
                severity_id=3,
            ),
            Relation(
                rule_uid="rarity.job",
                title="Scheduled job that is new here",
                event_class=EventClass.SCHEDULED_JOB_ACTIVITY,
                columns=("activity_id", *_SHARED, "job.name", "job.cmd_line"),
                where=pl.col("activity_id").fill_null(_CREATE) == _CREATE,
                read=_jobs,
                verb="been given",
                unit="jobs",
                entities=_ENTITIES,
                techniques=("T1053.005",),
                severity_id=3,
            ),
            Relation(
                rule_uid="rarity.autostart",
                title="Process writes an autostart key that is new to it",
                event_class=EventClass.REGISTRY_VALUE_ACTIVITY,
                columns=(*_SHARED, "reg_key.path", "reg_value.name"),
                read=_autostarts,
                verb="written",
                unit="writes to autostart keys",
                entities=_ENTITIES,
            ),
        ),
    )
