"""Chat and mail: new incidents of note, gathered into one notification at a time.

The text is built from ours and from words of telemetry that cannot do anything: no control
characters, no markup, no mentions, no links. Addresses of services hold secrets, and are shown and
logged by the name of their service alone. Services are those of Apprise.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType, PersistentStoreMode

from hauberk.errors import UsageError
from hauberk.reports.words import count, entity_phrases, percent, plain, span, tactic_titles
from hauberk.store import Table

from .interface import Filter, Message, NotSentError, Refused, Subject
from .kinds import SEVERITIES, Target
from .reaching import SECONDS, Secret, read_secret

KEYS = ("urls", "every", "link")
FILTER = Filter(findings=False, least_probability=0.5, within_budget=True, only_new=True)

EVERY = 300.0
BATCH = 200
SHOWN = 10
"""Incidents that one notification names; it says how many more there are."""

_SCHEME = re.compile(r"([a-z][a-z0-9]{1,31})://\S+\Z", re.IGNORECASE)
_HARMLESS = str.maketrans({"<": "‹", ">": "›", "[": "(", "]": ")", "`": "'", "@": "＠",
                           "#": "＃", "*": "∗", "~": "∼", "|": "¦"})  # fmt: skip
_DOT = re.compile(r"(?<=[^\W_])\.(?=[^\W\d_]{2})")

# Addresses are in what Apprise logs; its faults are told by us, without them.
logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True, slots=True)
class Notify:
    """The services, how seldom they hear of us, and where an incident can be opened."""

    urls: Secret
    services: tuple[str, ...]
    every: float
    link: str
    notes: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """The services by name."""
        return ", ".join(self.services)


def target(table: Table) -> Notify:
    """The settings of notifications. Raises UsageError, in which no address is."""
    expected = 'addresses as Apprise has them, one a line, as { file = "PATH" } or { env = "NAME" }'
    urls = read_secret(table, "urls", expected)
    if urls is None:
        raise UsageError("urls is missing", where=table.where(), hint=f"Expected {expected}")
    services = []
    for number, url in enumerate(urls().split(), start=1):
        found = _SCHEME.match(url)
        if found is None or not _apprise().add(url):
            raise UsageError(
                f"address {number} of urls is none that Apprise knows", where=table.where("urls"),
                hint="https://appriseit.com lists them",
            )  # fmt: skip
        services.append(found[1].lower())
    link = table.text("link") if "link" in table else ""
    if link and not re.match(r"https://[^\s<>\"']+\Z", link):
        raise table.wrong("link", "the console's address, such as https://hauberk.example.org:8443")
    every = table.number("every", EVERY, least=1, most=86_400)
    return Notify(urls, tuple(services), every, link.rstrip("/"))


def sender(target: Target) -> "NotifySender":
    """A sender; services are reached when something is sent."""
    assert isinstance(target, Notify)
    return NotifySender(target)


def _apprise() -> Apprise:
    return Apprise(
        asset=AppriseAsset(
            app_id="Hauberk", app_desc="Hauberk", app_url="", async_mode=False, secure_logging=True,
            http_redirects=False, storage_mode=PersistentStoreMode.MEMORY, theme=None,
            pgp_autogen=False, pem_autogen=False, interpret_escapes=False, service_timeout=SECONDS,
        )
    )  # fmt: skip


class NotifySender:
    """One notification for all that came meanwhile, to each service until it has taken it."""

    batch = BATCH

    def __init__(self, settings: Notify) -> None:
        self.pause = settings.every
        self._settings = settings
        self._took: dict[str, set[str]] = {}  # by address: what it has of what is under way
        settings.urls()

    def send(self, messages: Sequence[Message]) -> Sequence[Refused]:
        """Notify the services, each of what it has not taken yet."""
        failed = []
        for number, url in enumerate(self._settings.urls().split(), start=1):
            took = self._took.setdefault(url, set())
            fresh = [one for one in messages if one.id not in took]
            if not fresh or self._notify(url, fresh):
                took.update(one.id for one in fresh)
            else:
                failed.append(f"{url.partition(':')[0].lower()[:32]} ({number})")
        if failed:
            raise NotSentError(f"not taken by {', '.join(failed)}", where=self._settings.where)
        self._took.clear()
        return ()

    def _notify(self, url: str, messages: Sequence[Message]) -> bool:
        service = _apprise()
        if not service.add(url):
            return False
        title, body = digest(messages, self._settings.link)
        trial = all(one.subject is Subject.TEST for one in messages)
        kind = NotifyType.INFO if trial else NotifyType.WARNING
        return bool(
            service.notify(
                body=body, title=title, notify_type=kind, body_format=NotifyFormat.TEXT,
                timeout=SECONDS,
            )
        )  # fmt: skip

    def check(self) -> str:
        """Nothing can be asked of most services: their addresses are well formed."""
        known = count(len(self._settings.services), "address", "addresses")
        return f"{known} well formed; `test` sends"

    def close(self) -> None:
        """Nothing is held but what was taken, lest a service is told twice."""


def digest(messages: Sequence[Message], link: str = "") -> tuple[str, str]:
    """Title and text of a notification, the most probable incidents first."""
    told = [one.incident for one in messages if one.incident is not None]
    if not told:
        return "Hauberk: a test", harmless(messages[0].title)
    told.sort(key=lambda one: (-one.probability, -one.severity_id, one.uid))
    lines = []
    for one in told[:SHOWN]:
        level = SEVERITIES[min(max(one.severity_id, 1), len(SEVERITIES)) - 1]
        lines.append(f"{percent(one.probability)}, {level}: {harmless(one.title)}")
        facts = [harmless(each) for each in entity_phrases(one.entities)]
        facts += [span(one.start, one.end), count(len(one.findings), "finding")]
        lines.append("  " + " · ".join(facts))
        if one.tactics:
            lines.append("  " + ", ".join(tactic_titles(one.tactics)))
        where = f"{link}/incidents/{one.uid}" if link else f"hauberk show {one.uid[:8]}"
        lines.append(f"  {where}")
    if len(told) > SHOWN:
        lines.append(f"and {len(told) - SHOWN:,} more")
    first = f"{percent(told[0].probability)} {harmless(told[0].title, 80)}"
    title = first if len(told) == 1 else f"{len(told):,} incidents, the first {first}"
    return f"Hauberk: {title}", "\n".join(lines)


def harmless(text: object, limit: int = 200) -> str:
    """Words of telemetry that no chat or mail reader makes a link, a mention or markup of."""
    said = " ".join(plain(text, limit).translate(_HARMLESS).split())
    return _DOT.sub("[.]", said.replace("://", "[:]//"))
