"""What developers and administrators do beside ordinary office work."""

from .activities import ORDINARY, Activity, browse
from .deeds import call_remotely, network_log_on, resolve, secure
from .desk import Desk
from .directory import change_account, granting_ticket
from .sensor import Amount
from .windows_deeds import connect, explicit, script, write_file

_GIT = ("status", "fetch origin", "pull --rebase", "diff --stat", "commit -m wip",
        "push origin HEAD", "log --oneline -20", "checkout main", "stash", "branch -a")  # fmt: skip
_SHELL = (
    "ls -la",
    "df -h",
    "tail -n 100 /var/log/syslog",
    "systemctl status app",
    "htop -n 1",
    "grep -r timeout /etc/app",
    "docker ps",
    "free -m",
    "journalctl -u app --since today",
)
_SCRIPTS = (
    "Get-ADUser -Filter {Enabled -eq $true} -Properties LastLogonDate | Format-Table",
    "Get-Service -ComputerName $server | Where-Object Status -eq 'Stopped'",
    "Get-EventLog -LogName System -Newest 50 -EntryType Error",
    "Test-NetConnection -ComputerName $server -Port 443",
    "Get-ChildItem D:\\Shares -Directory | Get-Acl | Export-Csv acl.csv",
    "Get-HotFix | Sort-Object InstalledOn -Descending | Select-Object -First 10",
    "Restart-Service -Name Spooler",
    "Get-CimInstance Win32_LogicalDisk | Select-Object DeviceID, FreeSpace",
    "Import-Module ActiveDirectory; Get-ADComputer -Filter * | Measure-Object",
)
_CLOUD = (
    ("ec2", "DescribeInstances"), ("s3", "ListBuckets"), ("cloudwatch", "GetMetricData"),
    ("ec2", "DescribeSecurityGroups"), ("logs", "DescribeLogGroups"),
    ("lambda", "ListFunctions20150331"),
    ("ecs", "DescribeServices"), ("cloudformation", "DescribeStacks"),
    ("rds", "DescribeDBInstances"),
    ("iam", "ListRoles"), ("ecr", "DescribeRepositories"), ("ec2", "CreateTags"),
    ("iam", "GetRole"), ("cloudformation", "UpdateStack"),
    ("lambda", "UpdateFunctionCode20150331v2"),
)  # fmt: skip
_CLI = "aws-cli/2.33.2 md/awscrt#0.29.1 ua/2.1 os/windows#10 md/arch#amd64 lang/python#3.13.11"


def code(desk: Desk, time: float) -> float:
    """Files are edited; the editor asks its tools."""
    process = desk.use("code", time)
    home, dice = desk.person.account.home, desk.dice
    for _ in range(dice.randrange(1, 4)):
        name = f"{home}\\source\\{dice.zipf(desk.person.documents).split()[0].lower()}\\src\\"
        file = f"{name}{dice.letters(2)}{dice.choice(('.py', '.ts', '.sql', '.yaml'))}"
        write_file(desk.host, time + dice.uniform(0, 40), process, file)
    git_process(desk, time + 3, "status -z -uall", process.image)
    return time + dice.around(45)


def git_process(desk: Desk, time: float, arguments: str, by: str) -> None:
    """Git runs its two processes."""
    parent = desk.use("code" if "Code" in by else "cmd", time)
    git = desk.host.start(time, "git", parent, desk.session, f"git.exe {arguments}", lives=0.9)
    desk.host.start(time + 0.05, "gitcore", git, desk.session, f"git.exe {arguments}", lives=0.8)


def git(desk: Desk, time: float) -> float:
    """Something is fetched, committed or pushed."""
    action = desk.dice.zipf(_GIT)
    git_process(desk, time, action, "")
    if action.split()[0] in {"fetch", "pull", "push"}:
        ci, host = desk.company.linux["ci01"], desk.host
        process = host.start(time + 0.3, "ssh", desk.open["cmd"], desk.session,
                             f'"ssh.exe" git@{ci.fqdn} git-upload-pack', lives=2)  # fmt: skip
        resolve(desk.company, host, time + 0.35, ci.fqdn, process)
        amount = Amount(1.6, 4200, int(desk.dice.around(30_000, 1)))
        seen = desk.company.sensor.ssh(time + 0.4, host.ip, ci.ip, amount,
                                       "SSH-2.0-OpenSSH_for_Windows_9.5")  # fmt: skip
        connect(host, time + 0.4, process, (ci.ip, 22), ci.fqdn, seen.port)
        ci.accept(time + 0.6, "git", (host.ip, seen.port), seconds=1.6)
    return time + desk.dice.around(40)


def build(desk: Desk, time: float) -> float:
    """Something is built or tested."""
    dice, shell = desk.dice, desk.use("cmd", time)
    tool, text = dice.choice((("node", "node.exe build.js"), ("python", "python.exe -m pytest -q"),
                              ("node", "node.exe node_modules\\vite\\bin\\vite.js")))  # fmt: skip
    process = desk.host.start(time + 0.2, tool, shell, desk.session, text, lives=dice.around(40))
    for _ in range(dice.randrange(2, 8)):
        path = f"{desk.person.account.home}\\source\\dist\\{dice.letters(3)}.js"
        write_file(desk.host, time + dice.uniform(1, 20), process, path)
    return time + dice.around(60)


def ssh(desk: Desk, time: float) -> float:
    """A look at a Linux server."""
    dice, host, company = desk.dice, desk.host, desk.company
    server = company.linux[dice.zipf(("ci01", "db01", "web01", "mon01"))]
    command = f'"C:\\Program Files\\PuTTY\\putty.exe" {server.name}'
    process = host.start(time, "putty", desk.open["explorer"], desk.session, command, lives=300)
    resolve(company, host, time + 0.2, server.fqdn, process)
    seconds = dice.around(240)
    amount = Amount(seconds, 9000, 60_000)
    seen = company.sensor.ssh(time + 0.4, host.ip, server.ip, amount, "SSH-2.0-PuTTY_Release_0.83")
    connect(host, time + 0.4, process, (server.ip, 22), server.fqdn, seen.port)
    login = desk.person.account.name
    own = server.accept(time + 1, login, (host.ip, seen.port), seconds=seconds)
    at = time + 4
    for _ in range(dice.randrange(2, 7)):
        command = dice.zipf(_SHELL)
        server.run(at, command.split(), user=1000, login=1000, folder=f"/home/{login}", session=own)
        at += dice.around(12)
    if dice.chance(0.4):
        server.sudo(
            at, login, f"/usr/bin/systemctl {dice.choice(('status', 'restart', 'reload'))} app"
        )
    return time + dice.around(120)


def cloud(desk: Desk, time: float) -> float:
    """The cloud is looked at, in the console or by commands."""
    company, dice, who = desk.company, desk.dice, desk.person.cloud
    if who is None:
        return browse(desk, time)
    browser = desk.use("chrome", time)
    name = "console.aws.example"
    amount = Amount(dice.around(60), 9000, 240_000)
    secure(company, desk.host, time, browser, name, amount, "browser")
    by_console = dice.chance(0.5)
    agent = _CLI
    if by_console:
        agent = "AWS-Internal/3 console.aws.example"
        company.cloud.console(time + 3, who, company.gateway, "Mozilla/5.0 Chrome/145.0.0.0")
    at = time + 5
    for _ in range(dice.randrange(3, 14)):
        service, operation = dice.zipf(_CLOUD)
        company.cloud.call(at, who, service, operation, company.gateway, agent, {"maxResults": 100})
        at += dice.around(2, 1)
    return at + dice.around(30)


def run_script(desk: Desk, time: float) -> float:
    """An administrator's PowerShell."""
    process = desk.use("powershell", time)
    dice = desk.dice
    for _ in range(dice.randrange(1, 4)):
        script(desk.host, time + dice.uniform(0.5, 30), process, dice.zipf(_SCRIPTS))
    if dice.chance(0.2):
        desk.close("powershell", time + 60)
    return time + dice.around(60)


def administer(desk: Desk, time: float) -> float:
    """Consoles and small commands."""
    dice, host = desk.dice, desk.host
    shell = desk.use("cmd", time)
    name, command = dice.choice((
        ("ping", f"ping {dice.choice(list(desk.company.windows))}"), ("ipconfig", "ipconfig /all"),
        ("nslookup", f"nslookup {dice.choice(list(desk.company.windows))}"),
        ("gpupdate", "gpupdate /force"), ("tasklist", "tasklist /s mgt01"),
    ))  # fmt: skip
    host.start(time + 0.3, name, shell, desk.session, command, lives=3)
    powers = desk.person.powers
    if powers is not None and dice.chance(0.12):
        server = desk.company.windows[dice.zipf(("mgt01", "fs01", "app01", "dc01", "sql01"))]
        session = desk.session
        if session is not None:
            explicit(host, time + 5, session, powers, server.fqdn, "C:\\Windows\\System32\\mmc.exe")
        call_remotely(desk.company, time + 5, host, server, powers, "svcctl", (
            ("svcctl", "OpenSCManagerW"), ("svcctl", "EnumServicesStatusExW"),
        ))  # fmt: skip
    return time + dice.around(60)


def remote(desk: Desk, time: float) -> float:
    """A desktop session on a server."""
    dice, host, company = desk.dice, desk.host, desk.company
    powers = desk.person.powers or desk.person.account
    server = company.windows[dice.zipf(("mgt01", "app01", "fs01", "ex01", "sql01", "dc01"))]
    process = host.start(
        time,
        "mstsc",
        desk.open["explorer"],
        desk.session,
        f'"C:\\Windows\\System32\\mstsc.exe" /v:{server.name.lower()}',
        lives=900,
    )
    resolve(company, host, time + 1, server.fqdn, process)
    seconds = dice.around(700)
    seen = company.sensor.rdp(time + 2, host.ip, server.ip, powers.name, host.name, seconds)
    connect(host, time + 2, process, (server.ip, 3389), server.fqdn, seen.port)
    granting_ticket(company, time + 2.5, powers, host.ip)
    network_log_on(company, time + 3, host, server, powers, "TERMSRV")
    session = server.log_on(time + 4, powers, 10, (host.name, host.ip))
    userinit = server.start(time + 5, "userinit", server.running["winlogon"], session, lives=20)
    explorer = server.start(time + 5.4, "explorer", userinit, session, lives=seconds)
    server.start(time + 6, "rdpclip", server.running["svchost"], session, lives=seconds)
    for at in range(dice.randrange(1, 4)):
        name = dice.zipf(("mmc", "powershell", "notepad", "cmd"))
        started = server.start(time + 30 + 40 * at, name, explorer, session, lives=dice.around(120))
        if name == "powershell":
            script(server, time + 34 + 40 * at, started, dice.zipf(_SCRIPTS))
    server.log_off(time + seconds, session)
    return time + min(seconds, 400)


def directory(desk: Desk, time: float) -> float:
    """A forgotten password is set anew."""
    company, dice = desk.company, desk.dice
    desk.use("mmc", time)
    powers = desk.person.powers
    if powers is None or not dice.chance(0.04):
        return time + dice.around(60)
    dc = company.windows["dc01"]
    session = network_log_on(company, time + 4, desk.host, dc, powers, "ldap")
    person = dice.choice(company.people)
    change_account(company, time + 9, session, person.account, 4724)
    change_account(company, time + 9.1, session, person.account, 4738)
    dc.log_off(time + 60, session)
    return time + dice.around(90)


ACTIVITIES: dict[str, Activity] = {
    **ORDINARY, "code": code, "git": git, "build": build, "ssh": ssh, "cloud": cloud,
    "script": run_script, "administer": administer, "remote": remote, "directory": directory,
}  # fmt: skip
"""Every kind of deed by its name in company.toml."""
