"""A Windows computer: its processes and log-on sessions, told to Sysmon and the Security log."""

from dataclasses import replace

from .accounts import (
    INTEGRITY_LABELS,
    LOCAL_SERVICE,
    NETWORK_SERVICE,
    SYSTEM_ACCOUNT,
    Account,
    Process,
    Session,
)
from .dice import Dice
from .logs import Logs
from .programs import Program, hashes, program
from .times import sysmon_time
from .windows_log import SECURITY, SYSMON, WindowsLog, hexadecimal

_PRIVILEGES = (
    "SeSecurityPrivilege\n\t\t\tSeBackupPrivilege\n\t\t\tSeRestorePrivilege\n\t\t\t"
    "SeTakeOwnershipPrivilege\n\t\t\tSeDebugPrivilege\n\t\t\tSeSystemEnvironmentPrivilege\n\t\t\t"
    "SeLoadDriverPrivilege\n\t\t\tSeImpersonatePrivilege"
)
_SERVICES = (  # svchost groups that run on any computer, and as whom
    ("DcomLaunch -p", SYSTEM_ACCOUNT),
    ("RPCSS -p", NETWORK_SERVICE), ("netsvcs -p", SYSTEM_ACCOUNT),
    ("LocalServiceNetworkRestricted -p", LOCAL_SERVICE), ("LocalService -p", LOCAL_SERVICE),
    ("NetworkService -p", NETWORK_SERVICE), ("LocalSystemNetworkRestricted -p", SYSTEM_ACCOUNT),
    ("LocalServiceNoNetwork -p", LOCAL_SERVICE), ("utcsvc -p", SYSTEM_ACCOUNT),
)  # fmt: skip
_DAEMONS = ("spoolsv", "msmpeng", "edr", "deployagent", "searchindexer", "winlogbeat")


class WindowsHost:
    """One computer. Whatever it is told to do, its logs tell."""

    def __init__(self, name: str, domain: str, ip: str, dice: Dice, logs: Logs) -> None:
        self.name = name.upper()
        self.fqdn = f"{name.lower()}.{domain}"
        self.ip = ip
        self.netbios = domain.split(".", maxsplit=1)[0].upper()
        self.dice = dice
        self.log = WindowsLog(logs, self.fqdn, dice.randrange(20_000, 4_000_000))
        self.on = True
        self.machine = Account(f"{self.name}$", self.netbios, "S-1-5-18", admin=True)
        self.running: dict[str, Process] = {}
        self.resolved: dict[str, float] = {}
        self.tickets: dict[tuple[str, str], float] = {}
        self.interactive: Session | None = None
        self._uid = dice.hex(8).upper()
        self._tokens = 0
        self._boot = dice.getrandbits(24)
        self._logons = dice.randrange(0x40000, 0x90000)
        self.system = self.session(SYSTEM_ACCOUNT)

    # ---- sessions

    def session(self, account: Account, kind: int = 5, terminal: int = 0) -> Session:
        """A session that no event tells: services have theirs from the start."""
        fixed = {"SYSTEM": 0x3E7, "LOCAL SERVICE": 0x3E5, "NETWORK SERVICE": 0x3E4}
        if account.name in fixed:
            logon = fixed[account.name]
        else:
            self._logons += self.dice.randrange(0x900, 0x9000)
            logon = self._logons
        service = account.domain == "NT AUTHORITY"
        integrity = "System" if service else "High" if account.admin and kind == 3 else "Medium"
        guid = self._guid(0.0, logon)
        return Session(account, hexadecimal(logon), guid, terminal, integrity, kind)

    def log_on(
        self, time: float, account: Account, kind: int, source: tuple[str, str] = ("-", "-"),
        package: str = "Kerberos", process: str = "-",
    ) -> Session:  # fmt: skip
        """A successful log-on (4624, 4672) from a source (name, address)."""
        terminal = 1 if kind in {2, 11} else 2 if kind == 10 else 0
        session = self.session(account, kind, terminal)
        by = {
            2: "C:\\Windows\\System32\\svchost.exe",
            5: "C:\\Windows\\System32\\services.exe",
            4: "C:\\Windows\\System32\\svchost.exe",
            10: "C:\\Windows\\System32\\svchost.exe",
        }
        local = kind in by
        subject = (SYSTEM_ACCOUNT.sid, self.machine.name, self.netbios, "0x3e7")
        logon = {2: "User32 ", 10: "User32 ", 5: "Advapi  ", 4: "Advapi  "}.get(kind)
        self.log.write(SECURITY, 4624, time, {
            **_subject(subject if local else ("S-1-0-0", "-", "-", "0x0")),
            **_target(account, session.logon_id),
            "LogonType": str(kind),
            "LogonProcessName": logon or ("Kerberos" if package == "Kerberos" else "NtLmSsp "),
            "AuthenticationPackageName": "Negotiate" if local else package,
            "WorkstationName": self.name if local else source[0] if package == "NTLM" else "-",
            "LogonGuid": "{" + self.dice.guid() + "}",
            "TransmittedServices": "-",
            "LmPackageName": "NTLM V2" if package == "NTLM" else "-",
            "KeyLength": "128" if package == "NTLM" else "0",
            "ProcessId": "0x4f8" if local else "0x0",
            "ProcessName": process if process != "-" else by.get(kind, "-"),
            "IpAddress": "127.0.0.1" if kind == 2 else source[1],
            "IpPort": "0" if local else str(self.dice.randrange(49200, 65500)),
            "ImpersonationLevel": "%%1833", "RestrictedAdminMode": "-",
            "TargetOutboundUserName": "-", "TargetOutboundDomainName": "-",
            "VirtualAccount": "%%1843", "TargetLinkedLogonId": "0x0",
            "ElevatedToken": "%%1842" if account.admin else "%%1843",
        }, 760)  # fmt: skip
        if account.admin:
            self.log.write(SECURITY, 4672, time + 0.001, {
                **_subject((account.sid, account.name, account.domain, session.logon_id)),
                "PrivilegeList": _PRIVILEGES,
            }, 760)  # fmt: skip
        return session

    def log_off(self, time: float, session: Session) -> None:
        """The end of a session (4634)."""
        self.log.write(SECURITY, 4634, time, {
            **_target(session.account, session.logon_id), "LogonType": str(session.kind),
        }, 760)  # fmt: skip

    def refuse(
        self, time: float, account: Account, kind: int, source: tuple[str, str],
        status: str = "0xc000006a",
    ) -> None:  # fmt: skip
        """A failed log-on (4625)."""
        self.log.write(SECURITY, 4625, time, {
            **_subject(("S-1-0-0", "-", "-", "0x0")),
            "TargetUserSid": "S-1-0-0",
            "TargetUserName": account.name, "TargetDomainName": account.domain,
            "Status": "0xc000006d", "FailureReason": "%%2313", "SubStatus": status,
            "LogonType": str(kind),
            "LogonProcessName": "User32 " if kind in {2, 10} else "NtLmSsp ",
            "AuthenticationPackageName": "Negotiate" if kind in {2, 10} else "NTLM",
            "WorkstationName": source[0], "TransmittedServices": "-", "LmPackageName": "-",
            "KeyLength": "0", "ProcessId": "0x4f8" if kind == 2 else "0x0",
            "ProcessName": "C:\\Windows\\System32\\svchost.exe" if kind == 2 else "-",
            "IpAddress": "127.0.0.1" if kind == 2 else source[1],
            "IpPort": "0" if kind == 2 else str(self.dice.randrange(49200, 65500)),
        }, 760)  # fmt: skip

    # ---- processes

    def start(
        self, time: float, what: str | Program, parent: Process | None = None,
        session: Session | None = None, command: str = "", folder: str = "C:\\Windows\\system32\\",
        integrity: str = "", lives: float | None = None,
    ) -> Process:  # fmt: skip
        """A process starts (Sysmon 1, Security 4688) and, if `lives` is given, ends (Sysmon 5)."""
        known = program(what) if isinstance(what, str) else what
        above = parent or self.running["services"]
        own = session or above.session
        if integrity and integrity != own.integrity:
            own = replace(own, integrity=integrity)
        home = own.account.home
        image = known.image.replace("{home}", home)
        text = (command or known.command).replace("{home}", home)
        self._tokens += 1
        pid = 4 * self.dice.randrange(300, 4500)
        process = Process(pid, self._guid(time, self._tokens), image, text, own, known.version)
        self.log.write(SYSMON, 1, time, {
            "RuleName": "-", "UtcTime": sysmon_time(time),
            "ProcessGuid": process.guid, "ProcessId": str(pid), "Image": image,
            "FileVersion": known.version, "Description": known.description,
            "Product": known.product, "Company": known.company,
            "OriginalFileName": known.original, "CommandLine": text, "CurrentDirectory": folder,
            "User": own.account.full, "LogonGuid": own.guid, "LogonId": own.logon_id,
            "TerminalSessionId": str(own.terminal), "IntegrityLevel": own.integrity,
            "Hashes": hashes(image, known.version),
            "ParentProcessGuid": above.guid, "ParentProcessId": str(above.pid),
            "ParentImage": above.image, "ParentCommandLine": above.command,
            "ParentUser": above.session.account.full,
        }, 3020)  # fmt: skip
        account = above.session.account
        name = self.machine.name if account is SYSTEM_ACCOUNT else account.name
        domain = self.netbios if account is SYSTEM_ACCOUNT else account.domain
        self.log.write(SECURITY, 4688, time + 0.002, {
            **_subject((account.sid, name, domain, above.session.logon_id)),
            "NewProcessId": hexadecimal(pid), "NewProcessName": image,
            "TokenElevationType": "%%1938" if own.integrity == "Medium" else "%%1936",
            "ProcessId": hexadecimal(above.pid), "CommandLine": text,
            "TargetUserSid": "S-1-0-0", "TargetUserName": "-", "TargetDomainName": "-",
            "TargetLogonId": "0x0", "ParentProcessName": above.image,
            "MandatoryLabel": INTEGRITY_LABELS[own.integrity],
        })  # fmt: skip
        for at, library in enumerate(known.loads):
            self.load(time + 0.05 + at / 20, process, library)
        if lives is not None:
            self.end(time + lives, process)
        return process

    def end(self, time: float, process: Process) -> None:
        """A process ends (Sysmon 5)."""
        self.log.write(SYSMON, 5, time, _image(time, process), 3020)

    def boot(self, time: float, *, told: bool = True) -> None:
        """Start the processes that a computer always has; `told=False` for one that was up."""
        self._boot += 1
        self.resolved.clear()
        self.tickets.clear()
        if not told:
            for name in ("wininit", "services", "lsass", "winlogon"):
                self.running[name] = self._silent(name, self.system)
            for name in ("svchost", *_DAEMONS):
                self.running[name] = self._silent(name, self.system)
            self.running["system"] = Process(4, self._guid(0, 1), "System", "", self.system)
            return
        system = Process(4, self._guid(time, 1), "System", "", self.system)
        self.running = {"system": system}
        smss = self.start(time, "smss", system, command="\\SystemRoot\\System32\\smss.exe")
        self.start(time + 1.1, "csrss", smss)
        wininit = self.start(time + 1.2, "wininit", smss)
        self.running["winlogon"] = self.start(time + 1.6, "winlogon", smss)
        self.running["services"] = self.start(time + 1.9, "services", wininit)
        self.running["lsass"] = self.start(time + 2.0, "lsass", wininit)
        services = self.running["services"]
        at = time + 2.4
        for group, account in _SERVICES:
            at += self.dice.uniform(0.05, 0.6)
            command = f"C:\\Windows\\system32\\svchost.exe -k {group}"
            process = self.start(at, "svchost", services, self.session(account), command)
            if group.startswith("netsvcs"):
                self.running["svchost"] = process
        for name in _DAEMONS:
            at += self.dice.uniform(0.2, 3)
            self.running[name] = self.start(at, name, services)
        self.start(at + 0.4, "dwm", self.running["winlogon"], lives=None)

    def _silent(self, name: str, session: Session) -> Process:
        known = program(name)
        pid = 4 * self.dice.randrange(120, 900)
        guid = self._guid(0.0, self.dice.getrandbits(16))
        return Process(pid, guid, known.image, known.command, session, known.version)

    def load(self, time: float, process: Process, library: str, *, signed: bool = True) -> None:
        """A process loads a library (Sysmon 7)."""
        who = "Microsoft Windows" if signed else "-"
        self.log.write(SYSMON, 7, time, {
            **_image(time, process), "ImageLoaded": library,
            "FileVersion": "10.0.19041.4355" if signed else "-", "Description": "-",
            "Product": "-", "Company": "Microsoft Corporation" if signed else "-",
            "OriginalFileName": library.rsplit("\\", 1)[1] if signed else "-",
            "Hashes": hashes(library, "1"), "Signed": "true" if signed else "false",
            "Signature": who, "SignatureStatus": "Valid" if signed else "Unavailable",
        }, 3020)  # fmt: skip

    def _guid(self, time: float, token: int) -> str:
        when = f"{int(time):08x}"
        return f"{{{self._uid}-{when[:4]}-{when[4:]}-{token & 0xFFFF:04x}-{self._boot:012x}}}"


def _image(time: float, process: Process) -> dict[str, str]:
    return {
        "RuleName": "-", "UtcTime": sysmon_time(time), "ProcessGuid": process.guid,
        "ProcessId": str(process.pid), "Image": process.image,
        "User": process.session.account.full,
    }  # fmt: skip


def _subject(who: tuple[str, str, str, str]) -> dict[str, str]:
    sid, name, domain, logon = who
    return {"SubjectUserSid": sid, "SubjectUserName": name, "SubjectDomainName": domain,
            "SubjectLogonId": logon}  # fmt: skip


def _target(account: Account, logon_id: str) -> dict[str, str]:
    return {"TargetUserSid": account.sid, "TargetUserName": account.name,
            "TargetDomainName": account.domain, "TargetLogonId": logon_id}  # fmt: skip
