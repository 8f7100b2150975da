"""A home with persons, a signing key, and the steps of a model's way in one call each."""

import runpy
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from hauberk.governance import (
    Conditions,
    PersonalKey,
    add_person,
    load_key,
    make_key,
)
from hauberk.models import (
    Artifact,
    Occurrence,
    Stage,
    Version,
    enter,
    load_signing_key,
    make_signing_key,
    promote,
    read_registry,
    register,
    sign,
    trust_key,
    vote,
)
from hauberk.store import Home

made = runpy.run_path(str(Path(__file__).with_name("making.py")))
tiny_model: Callable[..., Artifact] = made["tiny_model"]
report_json: Callable[..., dict[str, Any]] = made["report_json"]
gates: Callable[..., list[dict[str, Any]]] = made["gates"]
gate: Callable[..., dict[str, Any]] = made["gate"]

PEOPLE = {
    "sam": ["security"],
    "pia": ["privacy"],
    "lea": ["legal"],
    "cem": ["compliance"],
    "ada": ["model owner"],
}
TUESDAY = datetime(2026, 3, 3, 10, 0, tzinfo=UTC)


@dataclass
class Clock:
    """A clock that stands still until it is told."""

    now: datetime = TUESDAY

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **time: float) -> None:
        self.now += timedelta(**time)


@dataclass
class Office:
    """An open home and the keys of everybody in it."""

    folder: Path
    home: Home
    clock: Clock
    keys: dict[str, PersonalKey] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, **options: Any) -> "Office":
        clock = options.pop("clock", None) or Clock()
        home = Home.open(folder / "home", clock=clock, **options)
        office = cls(folder, home, clock)
        for path in sorted((folder / "keys").glob("*.pem")):
            if path.stem != "signing":
                office.keys[path.stem] = load_key(path.stem, path)
        return office

    def people(self) -> "Office":
        for name, roles in PEOPLE.items():
            self.keys[name] = make_key(name, self.folder / "keys" / f"{name}.pem")
            public = self.keys[name].public
            body = add_person(self.home.origin, self.clock(), name, roles, public, self.keys["sam"])
            enter(self.home, body, Occurrence("add-person", self.clock(), after=name))
        return self

    def signing_key(self) -> "Office":
        path = self.folder / "keys" / "signing.pem"
        pem = make_signing_key(path)
        trust_key(self.home, self.keys["sam"], holder="ada", public=pem)
        return self

    def candidate(self, **changes: Any) -> Version:
        version = changes.get("version", "1.0.0")
        artifact = tiny_model(self.folder / f"model-{version}", **changes)
        register(self.home, artifact.folder, self.keys["ada"])
        return self.version(artifact.digest)

    def version(self, digest: str) -> Version:
        return read_registry(self.home).versions[digest]

    def signed(self, **changes: Any) -> Version:
        version = self.candidate(**changes)
        sign(self.home, version, load_signing_key(self.folder / "keys" / "signing.pem"))
        return self.version(version.artifact)

    def approved(self, *, by: tuple[str, ...] = ("sam", "pia", "lea"), **changes: Any) -> Version:
        conditions: Conditions | None = changes.pop("conditions", None)
        days: int | None = changes.pop("days", None)
        version = self.signed(**changes)
        for name in by:
            vote(
                self.home, self.keys[name], version, approve=True, conditions=conditions, days=days
            )
        return self.version(version.artifact)

    def raised(self, version: Version, to: Stage) -> Version:
        while self.version(version.artifact).stage is not to:
            promote(self.home, self.keys["sam"], version)
        return self.version(version.artifact)

    def live(self, **changes: Any) -> Version:
        return self.raised(self.approved(**changes), Stage.LIVE)
