"""A person at their computer: the session, and the programs that are open in it."""

from .accounts import Account, Process, Session
from .company import Company, Person
from .deeds import open_share
from .dice import Dice
from .directory import check_password, granting_ticket, service_ticket
from .windows_deeds import create_key, explicit, set_value

_AT_LOG_ON = ("onedrive", "teams", "outlook")


class Desk:
    """One person's interactive session, from log-on to log-off."""

    def __init__(self, company: Company, person: Person, dice: Dice) -> None:
        self.company = company
        self.person = person
        self.dice = dice
        self.host = person.host
        self.session: Session | None = None
        self.open: dict[str, Process] = {}

    def switch_on(self, time: float) -> float:
        """The computer starts and makes itself known to the domain; gives when it is ready."""
        host, company = self.host, self.company
        host.on = True
        host.boot(time)
        ready = time + self.dice.uniform(35, 70)
        dc = company.windows["dc01"]
        granting_ticket(company, ready - 9, host.machine, host.ip)
        service_ticket(company, ready - 8.5, host, host.machine, dc, "ldap")
        policy(company, self.dice, host.name.lower(), ready - 8)
        return ready

    def log_on(self, time: float, mistakes: int = 0) -> float:
        """A password, perhaps wrong at first; then the session opens. Gives when it is usable."""
        host, company, account = self.host, self.company, self.person.account
        for _ in range(mistakes):
            host.refuse(time, account, 2, (host.name, host.ip))
            granting_ticket(company, time - 0.1, account, host.ip, "0x18")
            time += self.dice.uniform(4, 20)
        granting_ticket(company, time - 0.2, account, host.ip)
        session = host.log_on(time, account, 2)
        explicit(
            host, time, host.system, account, "localhost", "C:\\Windows\\System32\\svchost.exe"
        )
        service_ticket(company, time + 0.3, host, account, company.windows["dc01"], "ldap")
        self.session = host.interactive = session
        winlogon = host.running["winlogon"]
        userinit = host.start(time + 0.8, "userinit", winlogon, session, lives=25)
        self.open = {"explorer": host.start(time + 1.1, "explorer", userinit, session)}
        host.running["explorer"] = self.open["explorer"]
        svchost = host.running["svchost"]
        for name in ("sihost", "taskhostw", "ctfmon", "runtimebroker"):
            host.start(time + self.dice.uniform(1.2, 5), name, svchost, session)
        at = time + 6
        for name in _AT_LOG_ON:
            at += self.dice.uniform(1, 9)
            self.use(name, at)
        for key in ("Explorer\\RecentDocs", "Explorer\\SessionInfo\\1", "Explorer\\StartPage"):
            path = f"HKU\\{account.sid}\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\{key}"
            create_key(host, at + self.dice.uniform(0, 4), self.open["explorer"], path)
        share = company.windows["fs01"]
        open_share(company, at + 2, host, share, account, "Users", seconds=20)
        return at + 5

    def use(self, name: str, time: float, command: str = "") -> Process:
        """The open window of a program, started where it is not open yet."""
        process = self.open.get(name)
        if process is None:
            process = self.host.start(time, name, self.open["explorer"], self.session, command)
            self.open[name] = process
            key = f"HKU\\{self.person.account.sid}\\SOFTWARE\\Classes\\Local Settings\\MuiCache"
            set_value(self.host, time + 0.4, self.open["explorer"], f"{key}\\{name}", process.image)
        return process

    def close(self, name: str, time: float) -> None:
        """Close a program's window."""
        process = self.open.pop(name, None)
        if process is not None:
            self.host.end(time, process)

    def leave(self, time: float, *, off: bool) -> None:
        """Close everything and log off; perhaps switch the computer off."""
        for name in [name for name in self.open if name != "explorer"]:
            self.close(name, time + self.dice.uniform(0, 6))
        self.close("explorer", time + 8)
        if self.session is not None:
            self.host.log_off(time + 9, self.session)
        self.session = self.host.interactive = None
        self.host.on = not off


def policy(company: Company, dice: Dice, name: str, time: float) -> None:
    """A computer asks the domain controller for its group policy."""
    host, dc = company.windows[name], company.windows["dc01"]
    company.sensor.dns(time, host.ip, dc.ip, f"_ldap._tcp.default-first-site-name._sites.dc._msdcs."
                       f"{company.domain}", [f"0 100 389 {dc.fqdn}"], "SRV")  # fmt: skip
    opened = [
        ("SMB::FILE_OPEN", f"{company.domain}\\Policies\\{{{guid}}}\\gpt.ini", 60)
        for guid in ("31B2F340-016D-11D2-945F-00C04FB984F9", "6AC1786C-016F-11D2-945F-00C04FB984F9")
    ]
    open_share(company, time + 0.5, host, dc, host.machine, "SYSVOL", opened, dice.uniform(2, 9))


def wrong_password(company: Company, time: float, person: Person, account: Account) -> None:
    """Somebody mistypes a password where NTLM is asked."""
    server = company.windows["fs01"]
    server.refuse(time, account, 3, (person.host.name, person.host.ip))
    check_password(company, time, account, person.host.name, "0xc000006a")
