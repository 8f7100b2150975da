"""The company: its people, machines and networks, all from one seed."""

import tomllib
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import Any

from .accounts import Account
from .agenda import Agenda
from .cloud import Cloud, Principal
from .dice import Dice
from .linux_host import LinuxHost
from .logs import Logs
from .sensor import Sensor
from .windows_host import WindowsHost

WINDOWS_SERVERS = ("dc01", "fs01", "ex01", "app01", "sql01", "bk01", "mgt01")
LINUX_SERVERS = {"web01": "bsd", "vpn01": "iso", "ci01": "journal", "db01": "iso", "mon01": "iso"}
SERVICE_ACCOUNTS = ("svc_sql", "svc_backup", "svc_deploy", "svc_portal", "svc_scan")
_DMZ = frozenset({"web01", "vpn01"})
_SHARED = 600  # addresses that names share; the rest is for those who want one alone
_BLOCKS = ("203.0.113", "198.51.100", "192.0.2")


@cache
def words() -> dict[str, Any]:  # a TOML document: strings, lists and tables
    """company.toml."""
    return tomllib.loads(files(__package__).joinpath("company.toml").read_text("utf-8"))


@dataclass(slots=True)
class Person:
    """Somebody who works here, and their habits."""

    name: str
    account: Account
    role: str
    host: WindowsHost
    mail: str
    arrives: float  # seconds after midnight, usually
    pace: float  # seconds between two things that they do, at the median
    sites: list[str]
    does: list[str]
    folders: list[str]
    documents: list[str]
    cloud: Principal | None = None
    powers: Account | None = None  # the second account of those who administer


@dataclass(slots=True)
class Company:
    """Everything that the emulation knows of the company."""

    seed: int
    name: str
    domain: str
    start: float
    until: float
    logs: Logs
    agenda: Agenda
    sensor: Sensor
    cloud: Cloud
    net: str  # the first two numbers of every inside address
    people: list[Person] = field(default_factory=list)
    windows: dict[str, WindowsHost] = field(default_factory=dict)
    linux: dict[str, LinuxHost] = field(default_factory=dict)
    services: dict[str, Account] = field(default_factory=dict)
    printers: list[str] = field(default_factory=list)
    public_sites: list[str] = field(default_factory=list)
    own_addresses: dict[str, str] = field(default_factory=dict)

    @property
    def netbios(self) -> str:
        """The domain's old name."""
        return self.name.upper()

    @property
    def gateway(self) -> str:
        """The address that the company's machines have on the Internet."""
        return self.address("gateway." + self.domain)

    def dice(self, *name: object) -> Dice:
        """Dice for an actor."""
        return Dice.of(self.seed, *name)

    def address(self, name: str) -> str:
        """The address of a host on the Internet; of the company's own, by its name."""
        short = name.removesuffix("." + self.domain)
        if short in self.windows:
            return self.windows[short].ip
        if short in self.linux:
            return self.linux[short].ip
        return self.own_addresses.get(name) or outside_address(self.seed, name)

    def rent(self, name: str) -> None:
        """Give a name an address that no other name has, as long as there are any."""
        alone = _outside(self.seed)[_SHARED:]
        self.own_addresses[name] = alone[len(self.own_addresses) % len(alone)]

    def staff(self, *roles: str) -> list[Person]:
        """People of these roles; everybody where there are none."""
        return [person for person in self.people if person.role in roles] or self.people


@cache
def _outside(seed: int) -> list[str]:
    """Every address of the documentation networks (RFC 5737), in an order of the seed's."""
    addresses = [f"{block}.{last}" for block in _BLOCKS for last in range(1, 255)]
    Dice.of(seed, "addresses").shuffle(addresses)
    return addresses


def outside_address(seed: int, name: str) -> str:
    """An address for a name; as at large hosters, several names may have the same."""
    digest = blake2b(f"{seed}/{name}".encode(), digest_size=4).digest()
    return _outside(seed)[int.from_bytes(digest) % _SHARED]


def new_site(dice: Dice) -> str:
    """The name of a site that perhaps nobody here has seen."""
    known = words()
    head, tail = dice.choice(known["site_heads"]), dice.choice(known["site_tails"])
    return dice.choice(("www.", "", "app.", "blog.")) + f"{head}{tail}.example"


def found_company(seed: int, users: int, start: float, until: float, logs: Logs) -> Company:
    """Build the company that a seed leads to."""
    dice = Dice.of(seed, "company")
    name = dice.choice(words()["companies"])
    company = Company(
        seed, name, f"{name}.example", start, until, logs, Agenda(),
        Sensor(Dice.of(seed, "sensor"), logs), Cloud(Dice.of(seed, "cloud"), logs, name),
        f"10.{dice.randrange(10, 250)}",
    )  # fmt: skip
    company.public_sites = [new_site(dice) for _ in range(160)]
    sid = f"S-1-5-21-{dice.getrandbits(31)}-{dice.getrandbits(31)}-{dice.getrandbits(31)}"
    for at, server in enumerate(WINDOWS_SERVERS):
        ip = f"{company.net}.10.{11 + at}"
        company.windows[server] = _windows(company, server, ip)
    for at, (server, style) in enumerate(LINUX_SERVERS.items()):
        ip = f"{company.net}.{50 if server in _DMZ else 10}.{31 + at}"
        own = company.dice("host", server)
        company.linux[server] = LinuxHost(server, company.domain, ip, own, logs, style)
    company.printers = [f"{company.net}.30.{10 + at}" for at in range(1 + users // 20)]
    for at, service in enumerate(SERVICE_ACCOUNTS):
        company.services[service] = Account(service, company.netbios, f"{sid}-{1201 + at}",
                                            f"C:\\Users\\{service}", admin=True)  # fmt: skip
    taken: set[str] = set()
    for at, role in enumerate(_roles(users)):
        company.people.append(_person(company, at, role, sid, taken))
    return company


def _roles(users: int) -> list[str]:
    shares = {role: facts["share"] for role, facts in words()["roles"].items()}
    counts = {role: max(1 if users >= len(shares) else 0, int(users * share))
              for role, share in shares.items()}  # fmt: skip
    counts["it"] = max(1, counts["it"])
    counts["staff"] += users - sum(counts.values())
    return [role for role, count in counts.items() for _ in range(count)]


def _windows(company: Company, name: str, ip: str) -> WindowsHost:
    return WindowsHost(name, company.domain, ip, company.dice("host", name), company.logs)


def _person(company: Company, at: int, role: str, sid: str, taken: set[str]) -> Person:
    dice, known = company.dice("person", at), words()
    while True:
        first, last = dice.choice(known["first_names"]), dice.choice(known["last_names"])
        login = f"{first[0]}{last}".lower()
        if login not in taken or len(taken) > 600:
            break
    if login in taken:
        login += str(at)
    taken.add(login)
    account = Account(login, company.netbios, f"{sid}-{1300 + 2 * at}", f"C:\\Users\\{login}")
    prefix = "lt" if dice.chance(0.6) else "ws"
    host_name = f"{prefix}-{1001 + 7 * at}"
    company.windows[host_name] = host = _windows(
        company, host_name, f"{company.net}.{20 + at // 200}.{20 + at % 200}"
    )
    shared = dice.sample(company.public_sites, 30)
    sites = shared + [new_site(dice) for _ in range(12)]
    dice.shuffle(sites)
    facts = words()["roles"][role]
    does = list(facts["does"])
    if dice.chance(0.5):  # habits differ within a role
        swap = dice.randrange(len(does) - 1)
        does[swap], does[swap + 1] = does[swap + 1], does[swap]
    documents = [
        f"{dice.choice(known['projects'])} {dice.choice(known['subjects'])}" for _ in range(40)
    ]
    person = Person(
        f"{first} {last}", account, role, host, f"{login}@{company.domain}",
        dice.gauss(8.4, 0.6) * 3600, dice.around(52, 0.25), sites, does, list(facts["folders"]),
        documents,
    )  # fmt: skip
    if role == "it":
        person.powers = Account(f"adm.{login}", company.netbios, f"{sid}-{1301 + 2 * at}",
                                f"C:\\Users\\adm.{login}", admin=True)  # fmt: skip
    if role in {"it", "developer"}:
        kind = "platform-admin" if role == "it" else "developer"
        person.cloud = company.cloud.role(kind, person.mail)
    return person
