"""What attackers do with a Windows computer, whatever the campaign."""

from collections.abc import Sequence

from hauberk.emulate.accounts import Account, Process, Session
from hauberk.emulate.agenda import Actor
from hauberk.emulate.deeds import call_remotely, open_share, secure
from hauberk.emulate.programs import Program
from hauberk.emulate.sensor import Amount
from hauberk.emulate.windows_deeds import (
    connect,
    install_service,
    open_process,
    pipe,
    set_value,
    write_file,
)
from hauberk.emulate.windows_host import WindowsHost

from .attack import Attack

_LOOKS = (
    ("whoami", "whoami /all"), ("net", "net group \"Domain Admins\" /domain"),
    ("nltest", "nltest /domain_trusts"), ("systeminfo", "systeminfo"),
    ("ipconfig", "ipconfig /all"),
    ("net", "net view /all /domain"), ("tasklist", "tasklist /v"), ("net", "net user /domain"),
    ("nltest", "nltest /dclist:"), ("net", "net localgroup administrators"),
)  # fmt: skip


def beacon(
    attack: Attack, host: WindowsHost, process: Process, site: str, until: float, start: float
) -> Actor:
    """The implant reports home, at its own pace."""
    period, jitter = attack.dice.uniform(25, 110), attack.dice.uniform(0.05, 0.3)
    at = start
    while at < until:
        yield at
        with attack.step(
            "beacon", "command-and-control", ["T1071.001", "T1573"],
            f"{process.image} on {host.name} talks to {site} about every {period:.0f} s",
            hosts=[host.name], domains=[site], ips=[attack.company.address(site)],
            processes=[process.image],
        ):  # fmt: skip
            amount = Amount(attack.dice.uniform(0.2, 0.9), attack.dice.randrange(380, 700),
                            attack.dice.randrange(180, 420))  # fmt: skip
            if attack.dice.chance(0.06):
                amount = Amount(3, amount.out, attack.dice.randrange(20_000, 300_000))
            secure(attack.company, host, at, process, site, amount, attack.name, known=False)
        at += attack.dice.jittered(period, jitter)


def look_around(
    attack: Attack, host: WindowsHost, process: Process, time: float, count: int = 6
) -> float:
    """Commands that ask where one is and who rules here."""
    dice = attack.dice
    with attack.step(
        "look-around", "discovery", ["T1033", "T1087.002", "T1482", "T1082", "T1016", "T1018"],
        f"Commands on {host.name} ask about its user, the domain and its administrators",
        hosts=[host.name], users=[process.session.account.name],
    ):  # fmt: skip
        at = time
        for name, command in dice.sample(_LOOKS, count):
            text = f"C:\\Windows\\system32\\cmd.exe /C {command}"
            shell = host.start(at, "cmd", process, command=text, lives=2)
            tool = host.start(at + 0.1, name, shell, command=command, lives=1.2)
            if name == "net":
                host.start(
                    at + 0.2, "net1", tool, command=command.replace("net ", "net1 ", 1), lives=1
                )
            at += dice.uniform(4, 45)
    return at


def dump_lsass(attack: Attack, host: WindowsHost, process: Process, time: float) -> None:
    """Memory of lsass is written to a file."""
    dice = attack.dice
    lsass = host.running["lsass"]
    path = f"C:\\Windows\\Temp\\{attack.word()}.{dice.choice(('dmp', 'bin', 'tmp', 'log'))}"
    with attack.step(
        "dump-lsass", "credential-access", ["T1003.001"],
        f"Credentials are read from lsass on {host.name}",
        hosts=[host.name], users=[process.session.account.name], files=[path],
    ):  # fmt: skip
        access = dice.choice(("0x1010", "0x1410", "0x1fffff", "0x1438"))
        if dice.chance(0.6):
            command = (
                f"rundll32.exe C:\\Windows\\System32\\comsvcs.dll, MiniDump {lsass.pid} {path} full"
            )
            tool = host.start(time, "rundll32", process, command=command, lives=4, integrity="High")
            open_process(
                host, time + 0.6, tool, lsass, access, "C:\\Windows\\System32\\comsvcs.dll"
            )
        else:
            tool = process
            open_process(host, time + 0.6, process, lsass, access, "UNKNOWN(00000193A0B2)")
        write_file(host, time + 1.4, tool, path)


def spread(
    attack: Attack, source: WindowsHost, account: Account, server: WindowsHost,
    payload: Program, time: float, by: Process,
) -> Process:  # fmt: skip
    """A file is put on a server's administrative share and started as a service."""
    dice, company = attack.dice, attack.company
    service = attack.word(4, 8)
    file = payload.image.rsplit("\\", 1)[1]
    with attack.step(
        "spread", "lateral-movement", ["T1021.002", "T1569.002", "T1570", "T1543.003"],
        f"{account.full} copies {file} to servers and starts it there as a service",
        hosts=[source.name, server.name], users=[account.name], files=[payload.image],
        ips=[source.ip, server.ip],
    ):  # fmt: skip
        written = [("SMB::FILE_WRITE", file, dice.randrange(90_000, 900_000))]
        open_share(company, time, source, server, account, "ADMIN$", written, 3, "NTLM")
        write_file(server, time + 1, server.running["system"], payload.image)
        call_remotely(company, time + 3, source, server, account, "svcctl", (
            ("svcctl", "OpenSCManagerW"), ("svcctl", "CreateServiceW"), ("svcctl", "StartServiceW"),
        ), by)  # fmt: skip
        install_service(server, time + 4, service, payload.image)
        process = server.start(time + 4.6, payload)
        if dice.chance(0.5):
            pipe(server, time + 5, process, f"\\{attack.word()}")
    return process


def autostart(attack: Attack, host: WindowsHost, process: Process, path: str, time: float) -> None:
    """A program starts whenever its user logs on."""
    name = attack.word()
    key = f"HKU\\{process.session.account.sid}\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Run\\"
    with attack.step(
        "autostart", "persistence", ["T1547.001"], f"{path} starts at log-on",
        hosts=[host.name], users=[process.session.account.name], files=[path],
    ):  # fmt: skip
        set_value(host, time, process, key + name, path)


def upload(
    attack: Attack, host: WindowsHost, process: Process, site: str, megabytes: int, time: float
) -> None:
    """Much is sent out over TLS."""
    with attack.step(
        "exfiltrate", "exfiltration", ["T1041", "T1567"],
        f"{megabytes} MB go from {host.name} to {site}",
        hosts=[host.name], domains=[site], ips=[attack.company.address(site)],
    ):  # fmt: skip
        amount = Amount(megabytes / 2, megabytes << 20, megabytes << 12)
        secure(attack.company, host, time, process, site, amount, attack.name, known=False)


def elevated(session: Session) -> Session:
    """The same session with all its rights."""
    return Session(session.account, session.logon_id, session.guid, session.terminal, "High",
                   session.kind)  # fmt: skip


def sweep(
    attack: Attack, host: WindowsHost, process: Process, ports: Sequence[int], time: float
) -> None:
    """Doors of the servers' network are tried."""
    with attack.step(
        "sweep", "discovery", ["T1046"], f"{host.name} tries the servers' ports",
        hosts=[host.name], ips=[host.ip],
    ):  # fmt: skip
        at = time
        for number in range(1, 60):
            for port in ports:
                there = (f"{attack.company.net}.10.{number}", port)
                known = 11 <= number <= 17 and port in {135, 445, 3389}
                seen = attack.company.sensor.connection(
                    at, host.ip, there, "-", Amount(0.1, 0, 0), state="SF" if known else "S0"
                )
                if number % 6 == 0:
                    connect(host, at, process, there, "-", seen.port)
                at += attack.dice.uniform(0.01, 0.12)
