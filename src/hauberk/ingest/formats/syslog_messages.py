"""What the messages of Linux programs mean, once per distinct message.

Syslog and the journal carry the same messages; both read them here. The facts are in
`syslog_messages.toml`.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import polars as pl

from hauberk.events import EventClass, schema

_GENERAL = "*"
_ADDRESS = r"^\d{1,3}(?:\.\d{1,3}){3}$|^[0-9A-Fa-f.]*:[0-9A-Fa-f:.]+(?:%\S+)?$"
_REPEATED = r"^message repeated \d+ times?: \[ ?(.*?)\]?\s*$"


@dataclass(frozen=True, slots=True)
class MessageRule:
    """One kind of message of some programs."""

    programs: frozenset[str]
    pattern: str
    event_class: EventClass
    activity: int
    status: int
    detail: str | None
    detail_fails: bool  # a detail in the message means that it failed
    protocol_prefix: str


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """All kinds of message, the columns that their groups fill, Sigma's services by program."""

    rules: Sequence[MessageRule]
    groups: Mapping[str, str]
    services: Mapping[str, str]


@cache
def message_facts() -> MessageFacts:
    """The facts of `syslog_messages.toml`."""
    text = resources.files(__package__).joinpath("syslog_messages.toml").read_text("utf-8")
    facts = tomllib.loads(text)
    classes = {event_class.table: event_class for event_class in EventClass}
    rules = [
        MessageRule(
            programs=frozenset(entry["programs"]),
            pattern=f"(?P<whole>{entry['pattern']})",
            event_class=classes[entry["class"]],
            activity=entry["activity"],
            status=entry["status"],
            detail=entry.get("detail"),
            detail_fails=entry.get("detail_fails", False),
            protocol_prefix=entry.get("protocol_prefix", ""),
        )
        for entry in facts["message"]
    ]
    return MessageFacts(rules, facts["groups"], facts["services"])


def meanings(programs: pl.Series, messages: pl.Series) -> pl.DataFrame:
    """Class (`class`, its uid) and OCSF columns of each message, in the order given.

    Work is done once per distinct pair of program and message. What no rule fits is a base event.
    """
    said = pl.DataFrame({"program": programs.str.to_lowercase(), "message": messages})
    distinct = said.unique().with_row_index("at")
    inner = distinct["message"].str.extract(_REPEATED, 1)
    distinct = distinct.with_columns(inner.fill_null(distinct["message"]).alias("text"))
    parts: list[pl.DataFrame] = []
    left = distinct
    for rule in message_facts().rules:
        if left.is_empty():
            break
        own = left if _GENERAL in rule.programs else left.filter(
            pl.col("program").is_in(list(rule.programs))
        )  # fmt: skip
        if own.is_empty():
            continue
        found = own.with_columns(pl.col("text").str.extract_groups(rule.pattern)).unnest("text")
        found = found.filter(pl.col("whole").is_not_null())
        if found.height:
            parts.append(_columns(found, rule))
            left = left.join(found.select("at"), on="at", how="anti", maintain_order="left")
    table = pl.concat(parts, how="diagonal") if parts else pl.DataFrame(schema={"at": pl.UInt32()})
    known = distinct.select("at", "program", "message").join(table, on="at", how="left")
    if "class" not in known.columns:
        known = known.with_columns(pl.lit(None, pl.Int64()).alias("class"))
    known = known.with_columns(pl.col("class").fill_null(int(EventClass.BASE_EVENT))).drop("at")
    return said.join(
        known, on=["program", "message"], how="left", nulls_equal=True, maintain_order="left"
    ).drop("program", "message")


def _columns(found: pl.DataFrame, rule: MessageRule) -> pl.DataFrame:
    """Groups of the rule's pattern as OCSF columns."""
    have = set(found.columns)
    out = [
        pl.col("at"),
        pl.lit(int(rule.event_class), pl.Int64()).alias("class"),
        pl.lit(rule.activity, pl.Int32()).alias("activity_id"),
    ]
    filled = {
        name: _filled(name) for name in (*message_facts().groups, "addr") if name in have
    }  # fmt: skip
    if "group_added" in have:
        filled["group"] = pl.coalesce(_filled("group"), _filled("group_added"))
    if "service" not in have and rule.event_class in _LOG_ONS:
        filled["service"] = _filled("program")
    elif "service" in have:
        filled["service"] = pl.coalesce(filled["service"], _filled("program"))
    if rule.protocol_prefix and "method" in filled:
        filled["method"] = pl.lit(rule.protocol_prefix) + filled["method"]
    status: pl.Expr = pl.lit(rule.status, pl.Int32())
    if rule.detail_fails and "detail" in filled:
        status = pl.when(filled["detail"].is_not_null()).then(2).otherwise(rule.status)
    if rule.detail is not None:
        filled["detail"] = pl.lit(rule.detail)
    out.append(status.cast(pl.Int32()).alias("status_id"))
    if "addr" in filled:
        addr = filled.pop("addr").str.strip_prefix("::ffff:")
        is_address = addr.str.contains(_ADDRESS)
        out.append(pl.when(is_address).then(addr).alias("src_endpoint.ip"))
        out.append(pl.when(~is_address).then(addr).alias("src_endpoint.hostname"))
    if "cmd" in filled:
        image = filled["cmd"].str.extract(r"^(/\S+)", 1)
        out.append(image.alias("process.file.path"))
        out.append(image.str.extract(r"([^/]+)$", 1).alias("process.name"))
    wanted = schema(rule.event_class)
    for name, value in filled.items():
        column = message_facts().groups[name]
        if column in wanted:
            out.append(value.cast(wanted[column], strict=False).alias(column))
    return found.select(out)


_LOG_ONS = (EventClass.AUTHENTICATION, EventClass.AUTHORIZE_SESSION)


def _filled(name: str) -> pl.Expr:
    """The group's text, null where it is empty."""
    text = pl.col(name).str.strip_chars()
    return pl.when(text != "").then(text)


def meaning_columns(event_class: EventClass, table: pl.DataFrame) -> list[str]:
    """Columns of `table` (as `meanings` gives it) that the class has."""
    wanted = schema(event_class)
    return [name for name in table.columns if name in wanted]


def services(programs: pl.Series, facilities: pl.Series) -> pl.Series:
    """Sigma's service of each record, by its program, else by its syslog facility."""
    known = message_facts().services
    frame = pl.DataFrame({"program": programs.str.to_lowercase(), "facility": facilities})
    by_program = pl.col("program").replace_strict(
        list(known), list(known.values()), default=None, return_dtype=pl.String
    )
    by_facility = pl.when(pl.col("facility").is_in([4, 10])).then(pl.lit("auth"))
    return frame.select(pl.coalesce(by_program, by_facility, pl.lit("syslog")).alias("service"))[
        "service"
    ]
