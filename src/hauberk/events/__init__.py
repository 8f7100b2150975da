"""Floor 0: the OCSF schema, batches of events, entities, findings, ATT&CK, time."""

from .attack import Tactic, Technique, tactics_of, technique_name, technique_of, techniques
from .batch import EventBatch, EventGroup, Fields, LogKey
from .entities import EntityKind, entity, entity_column, is_address, is_internal
from .finding import (
    FINDING_SCHEMA,
    MAX_EVIDENCE,
    FindingKind,
    finding_uid,
    findings_frame,
    no_findings,
)
from .own import (
    OWN_CLASS,
    OWN_FORMAT,
    OWN_FORMAT_VERSION,
    OWN_PRODUCT,
    OWN_SERVICE,
    own_columns,
)
from .schema import (
    OCSF_VERSION,
    TIME,
    ClassTable,
    Column,
    EventClass,
    Status,
    class_tables,
    column_type,
    conform,
    schema,
)
from .time import EARLIEST, LATEST, from_epoch_seconds, from_iso, is_plausible

__all__ = [
    "EARLIEST",
    "FINDING_SCHEMA",
    "LATEST",
    "MAX_EVIDENCE",
    "OCSF_VERSION",
    "OWN_CLASS",
    "OWN_FORMAT",
    "OWN_FORMAT_VERSION",
    "OWN_PRODUCT",
    "OWN_SERVICE",
    "TIME",
    "ClassTable",
    "Column",
    "EntityKind",
    "EventBatch",
    "EventClass",
    "EventGroup",
    "Fields",
    "FindingKind",
    "LogKey",
    "Status",
    "Tactic",
    "Technique",
    "class_tables",
    "column_type",
    "conform",
    "entity",
    "entity_column",
    "finding_uid",
    "findings_frame",
    "from_epoch_seconds",
    "from_iso",
    "is_address",
    "is_internal",
    "is_plausible",
    "no_findings",
    "own_columns",
    "schema",
    "tactics_of",
    "technique_name",
    "technique_of",
    "techniques",
]
