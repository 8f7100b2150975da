"""What the API takes and gives, as types: the OpenAPI document is made of them."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from hauberk.console.cases import MAX_TEXT, State, Verdict


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


Time = Annotated[datetime, AfterValidator(_utc)]
"""In UTC."""


class Shape(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(from_attributes=True)


class Sent(BaseModel):
    """A body that is sent: nothing in it that is not known."""

    model_config = ConfigDict(extra="forbid")


class Problem(Shape):
    """Why something was not done (RFC 9457)."""

    title: str
    status: int
    detail: str


class CaseStanding(Shape):
    """Where the work on an incident stands. `last_act` goes back as `seen` with a change."""

    state: State
    assignee: str
    verdict: str
    last_act: int


class IncidentBrief(Shape):
    """An incident in a list."""

    uid: str
    title: str
    probability: float
    severity_id: int
    start: Time
    end: Time
    above_budget: bool
    entities: list[str]
    tactics: list[str]
    findings: int
    events: int
    state: str
    assignee: str
    verdict: str


class IncidentList(Shape):
    """A page of incidents, most probable first."""

    incidents: list[IncidentBrief]
    found: int
    page: int
    pages: int


class ReasonShape(Shape):
    """Why an incident is believed, in bits."""

    text: str
    finding_uid: str
    bits: float


class ActShape(Shape):
    """Something that somebody did about an incident."""

    number: int
    kind: str
    by: str
    at: Time
    said: dict[str, str]
    in_ledger: bool


class IncidentWhole(Shape):
    """An incident whole."""

    uid: str
    title: str
    probability: float
    prior_bits: float
    tactic_bits: float
    severity_id: int
    start: Time
    end: Time
    above_budget: bool
    entities: list[str]
    techniques: list[str]
    tactics: list[str]
    findings: list[str]
    event_count: int
    reasons: list[ReasonShape]
    narrative: str
    supersedes: list[str]
    case: CaseStanding
    history: list[ActShape]


class FindingBrief(Shape):
    """A finding of an incident."""

    uid: str
    time: Time | None
    title: str | None
    message: str | None
    detector: str | None
    surprise: float | None
    techniques: list[str] | None


class FindingList(Shape):
    """The findings of an incident of most weight, in order of time."""

    findings: list[FindingBrief]
    left_out: int


class EventShape(Shape):
    """An event with the record that it came from, as the pages show it."""

    uid: str
    time: str
    kind: str
    fields: dict[str, str]
    source: str
    offset: int
    length: int
    raw: str


class Evidence(Shape):
    """The events behind a finding; `more` are not in here."""

    events: list[EventShape]
    more: int


Seen = Annotated[int, Field(ge=0, lt=2**53, description="`case.last_act` as you saw it")]


class VerdictSent(Sent):
    """A verdict, which closes the incident."""

    verdict: Verdict
    reason: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
    seen: Seen


class StateSent(Sent):
    """A state; `closed` takes a verdict."""

    state: State
    seen: Seen


class AssigneeSent(Sent):
    """Who works on it; nobody where it is empty."""

    assignee: Annotated[str, Field(max_length=40)]
    seen: Seen


class CommentSent(Sent):
    """Something to say."""

    text: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]


class Question(Sent):
    """A question in SQL; times bound what is looked at."""

    sql: Annotated[str, Field(min_length=1, max_length=16_000)]
    since: datetime | None = None
    until: datetime | None = None


class ColumnShape(Shape):
    """A column of an answer, with DuckDB's name of its type."""

    name: str
    kind: str


class Found(Shape):
    """What a hunt found; `cut` where there was more than its bounds allow."""

    columns: list[ColumnShape]
    rows: list[list[str | None]]
    cut: bool
    seconds: float


class RuleShape(Shape):
    """A rule, and what this estate taught of it: nothing where it never fired."""

    uid: str
    title: str
    level: str
    techniques: list[str]
    firings: int
    bits: float | None
    last: Time | None
    suppressed: bool


class RuleList(Shape):
    """A page of rules: those that fire here first."""

    rules: list[RuleShape]
    found: int
    page: int
    pages: int


class FormatAccount(Shape):
    """What became of all records of one format: records = events + aggregated + rejected."""

    format: str
    batches: int
    records: int
    events: int
    aggregated: int
    rejected: int


class SourceShape(Shape):
    """What came from one source."""

    source: str
    format: str
    last: Time
    records: int
    events: int
    rejected: int


class Health(Shape):
    """What came, what became of it, and what does not work; `fault` is empty where all does."""

    formats: list[FormatAccount]
    sources: list[SourceShape]
    events: int
    commits: int
    acts_waiting: int
    fault: str


class Measures(Shape):
    """The budget, and the work: incidents by state."""

    within_budget: int
    decided: int
    below_budget: int
    expected_below: float
    by_state: dict[str, int]
    verdicts: dict[str, int]


RuleLevel = Literal["", "critical", "high", "medium", "low", "informational"]
Here = Literal["", "fired", "silent", "sunk", "risen", "suppressed"]
