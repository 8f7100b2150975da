"""What servers do: jobs, backups, monitoring, builds, patches, deployments; cloud automation."""

from collections.abc import Iterable

from .agenda import Actor
from .automation import run_cloud
from .company import Company
from .deeds import network_log_on, open_share
from .outside import probes, visitors, wrong_keys
from .sensor import Amount
from .times import DAY, HOUR, MINUTE, weekday
from .windows_deeds import install_service, service_state, write_file

_JOBS = {
    "web01": (("root", "/usr/lib/php/sessionclean", 30), ("www-data", "php /srv/app/cron.php", 5)),
    "db01": (("postgres", "/usr/lib/postgresql/16/bin/vacuumdb -a -z", 60),
             ("root", "/usr/local/bin/check-replication", 10)),
    "ci01": (("gitlab", "/opt/ci/prune-artifacts", 60), ("root", "/opt/ci/queue-stats", 10)),
    "mon01": (("monitor", "/opt/monitor/poll", 5), ("root", "/opt/monitor/rollup", 60)),
    "vpn01": (("root", "/usr/local/sbin/refresh-crl", 60), ("root", "/usr/local/sbin/peers", 15)),
}  # fmt: skip
_SYSTEMD = ("Started Session {n} of User {user}.", "Starting Daily apt download activities...",
            "logrotate.service: Deactivated successfully.", "Finished Rotate log files.",
            "Starting Message of the Day...", "fstrim.service: Deactivated successfully.",
            "systemd-tmpfiles-clean.service: Deactivated successfully.")  # fmt: skip
_BUILD = (("git", "fetch", "--depth", "50"), ("git", "checkout", "-f"), ("make", "lint"),
          ("python3", "-m", "pytest", "-q"), ("node", "build.js"), ("docker", "build", "."),
          ("tar", "czf", "artifact.tgz", "dist"), ("rm", "-rf", "dist"))  # fmt: skip

_IN_FLIGHT = "C:\\Windows\\WinSxS\\Temp\\InFlight\\"


def servers(company: Company) -> Iterable[Actor]:
    """Every actor that is no person and no desk."""
    for name in company.linux:
        for user, command, minutes in _JOBS[name]:
            yield _cron(company, name, user, command, minutes)
        yield _systemd(company, name)
    yield _monitoring(company)
    yield _builds(company)
    yield _backup(company)
    yield _portal(company)
    yield _batch(company)
    yield _patches(company)
    yield _deployment(company)
    yield _scanner(company)
    yield run_cloud(company)
    yield visitors(company)
    yield probes(company)
    yield wrong_keys(company)


def _cron(company: Company, name: str, user: str, command: str, minutes: int) -> Actor:
    host, dice = company.linux[name], company.dice("cron", name, command)
    at = company.start + dice.randrange(minutes) * MINUTE + 1.02
    while True:
        yield at
        when = at + dice.random() / 20
        host.cron(when, user, command)
        number = 0 if user == "root" else 33
        parent = host.run(
            when + 0.003, ["/bin/sh", "-c", command], path="/usr/bin/dash", user=number
        )
        words = command.split()
        host.run(when + 0.006, words, path=words[0] if words[0][0] == "/" else "", user=number,
                 parent=parent)  # fmt: skip
        at += minutes * MINUTE


def _systemd(company: Company, name: str) -> Actor:
    host, dice = company.linux[name], company.dice("systemd", name)
    at = company.start
    while True:
        at += dice.often(400)
        yield at
        text = dice.zipf(_SYSTEMD).format(n=dice.randrange(100, 9000), user="root")
        host.say(at, "systemd", 1, text)


def _monitoring(company: Company) -> Actor:
    dice, mon = company.dice("monitoring"), company.linux["mon01"]
    at = company.start + dice.uniform(0, 300)
    watched = [(host.ip, 161) for host in company.windows.values() if host.name[-2:] == "01"]
    watched += [(host.ip, 9100) for host in company.linux.values() if host is not mon]
    while True:
        yield at
        for there in watched:
            protocol = "udp" if there[1] == 161 else "tcp"
            service = "snmp" if there[1] == 161 else "http"
            amount = Amount(dice.uniform(0.004, 0.2), int(dice.around(400)), int(dice.around(9000)))
            company.sensor.connection(at + dice.uniform(0, 20), mon.ip, there, service, amount,
                                      protocol)  # fmt: skip
        at += dice.jittered(300, 0.02)


def _builds(company: Company) -> Actor:
    """Builds follow pushes: by day often, at night one."""
    dice, host = company.dice("builds"), company.linux["ci01"]
    at = company.start
    while True:
        hour = at % DAY / HOUR
        busy = weekday(at) < 5 and 8 < hour < 18
        at += dice.often(22 * MINUTE if busy else 6 * HOUR)
        yield at
        runner = company.linux["db01"] if dice.chance(0.1) else host
        when = at
        number = dice.randrange(10_000, 99_999)
        host.say(when, "gitlab-runner", 811, f"Checking for jobs... received job={number}")
        parent = runner.run(when, ["/bin/bash", "--login"], path="/usr/bin/bash", user=998)
        for command in _BUILD[: dice.randrange(4, 9)]:
            when += dice.around(9)
            runner.run(when, command, user=998, parent=parent, folder=f"/builds/{number}")
        name = dice.choice(("registry.packages.example", "mirror.packages.example"))
        amount = Amount(6, 9000, int(dice.around(3_000_000, 1)))
        company.sensor.tls(at + 4, host.ip, (company.address(name), 443), name, amount, "runner")
        result = "succeeded" if dice.chance(0.88) else "failed: exit status 1"
        host.say(when + 4, "gitlab-runner", 811, f"Job {result} job={number}")


def _backup(company: Company) -> Actor:
    """Every night at two, the backup server fetches from each server."""
    dice, source = company.dice("backup"), company.windows["bk01"]
    account = company.services["svc_backup"]
    night = company.start
    while True:
        at = night + 2 * HOUR + dice.uniform(0, 300)
        yield at
        job = source.start(at, "backupagent", command='"C:\\Program Files\\Vaultkeep\\Agent\\'
                           'VaultkeepAgent.exe" --job nightly', lives=3 * HOUR)  # fmt: skip
        for name in ("dc01", "fs01", "ex01", "app01", "sql01"):
            yield at
            server = company.windows[name]
            session = network_log_on(company, at, source, server, account, "HOST")
            size = int(dice.around(9e8, 0.3))
            amount = Amount(dice.around(900), 400_000, size)
            company.sensor.connection(at + 1, source.ip, (server.ip, 10_002), "ssl", amount)
            server.start(at + 2, "vssvc", lives=600)
            service_state(server, at + 2, "Volume Shadow Copy", "running")
            write_file(source, at + 900, job, f"E:\\Vault\\{name}\\{int(at) // 86400}.vkb")
            server.log_off(at + 960, session)
            at += dice.uniform(900, 1200)
        night += DAY


def _portal(company: Company) -> Actor:
    """The portal and the web site keep a few connections to their databases, for hours each."""
    dice = company.dice("portal")
    app, sql = company.windows["app01"], company.windows["sql01"]
    account = company.services["svc_portal"]
    web, database = company.linux["web01"], company.linux["db01"]
    at = company.start
    while True:
        at += dice.often(50 * MINUTE)
        yield at
        hours = dice.around(3 * HOUR, 0.7)
        for source, there in ((app.ip, (sql.ip, 1433)), (web.ip, (database.ip, 5432))):
            amount = Amount(hours, int(dice.around(4e6, 1)), int(dice.around(5e7, 1.2)))
            company.sensor.connection(at + dice.uniform(0, 9), source, there, "-", amount)
        session = network_log_on(company, at, app, sql, account, "MSSQLSvc")
        sql.log_off(at + hours, session)


def _batch(company: Company) -> Actor:
    """Scheduled tasks of service accounts log on in batches."""
    dice = company.dice("batch")
    at = company.start
    where = {"svc_sql": "sql01", "svc_deploy": "mgt01", "svc_backup": "bk01", "svc_portal": "app01"}
    while True:
        at += dice.jittered(900, 0.02)
        yield at
        name = dice.choice(list(where))
        server = company.windows[where[name]]
        session = server.log_on(at, company.services[name], 4)
        task = server.start(at + 0.3, "cmd", server.running["svchost"], session,
                            f'cmd.exe /c "C:\\Jobs\\{name[4:]}.cmd"', lives=8)  # fmt: skip
        server.start(at + 0.4, "conhost", task, session, lives=8)
        server.log_off(at + 9, session)


def _patches(company: Company) -> Actor:
    """On Tuesday evening, servers are patched and start again."""
    dice = company.dice("patches")
    night = company.start
    while True:
        if weekday(night) == 1:
            for at_server, name in enumerate(("fs01", "ex01", "app01", "sql01", "bk01", "mgt01")):
                at = night + 20.5 * HOUR + at_server * 12 * MINUTE
                yield at
                host = company.windows[name]
                trusted = host.start(at, "trustedinstaller", lives=500)
                host.start(at + 4, "tiworker", host.running["svchost"], lives=480)
                service_state(host, at + 1, "Windows Modules Installer", "running")
                for _ in range(40):
                    path = f"{_IN_FLIGHT}{dice.hex(16)}\\{dice.letters(8)}.dll"
                    write_file(host, at + dice.uniform(10, 400), trusted, path)
                yield at + 560
                host.boot(at + 560)
        night += DAY
        yield night


def _deployment(company: Company) -> Actor:
    """Now and then a piece of software is brought to a few computers."""
    dice, source = company.dice("deployment"), company.windows["mgt01"]
    account = company.services["svc_deploy"]
    products = ("Tallow Ledger Update", "Orchard People Sync", "Palisade Sensor", "Foreman Cache")
    at = company.start
    while True:
        at += dice.often(DAY)
        hour = at % DAY / HOUR
        yield at
        if not 8 < hour < 18 or weekday(at) > 4:
            continue
        product = dice.choice(products)
        awake = [host for host in company.windows.values() if host.on and host is not source]
        for host in dice.sample(awake, min(len(awake), dice.randrange(3, 9))):
            at += dice.uniform(10, 60)
            yield at
            package = f"{product.replace(' ', '')}-{dice.randrange(2, 9)}.{dice.randrange(20)}.msi"
            open_share(company, at, source, host, account, "ADMIN$",
                       [("SMB::FILE_WRITE", f"ForemanCache\\{package}", 9_000_000)], 8)  # fmt: skip
            agent = host.running["deployagent"]
            file = f"C:\\Windows\\ForemanCache\\{package}"
            write_file(host, at + 4, host.running["system"], file)
            installer = host.start(at + 9, "msiexec", agent, command=f'msiexec.exe /i "{file}" /qn',
                                   lives=40)  # fmt: skip
            folder = f"C:\\Program Files\\{product}\\"
            for part in ("service.exe", "core.dll", "config.xml"):
                write_file(host, at + 20, installer, folder + part)
            install_service(host, at + 30, product, f'"{folder}service.exe"', start="auto start")


def _scanner(company: Company) -> Actor:
    """On Wednesday night, the vulnerability scanner knocks at every door."""
    dice, source = company.dice("scanner"), company.linux["mon01"]
    account = company.services["svc_scan"]
    ports = (21, 22, 23, 25, 53, 80, 88, 110, 135, 139, 389, 443, 445, 1433, 3306, 3389, 5432, 5985,
             8080, 8443, 9100)  # fmt: skip
    night = company.start
    while True:
        if weekday(night) == 2:
            at = night + 22 * HOUR
            for host in list(company.windows.values()):
                yield at
                if not host.on:
                    continue
                for port in ports:
                    opened = port in {135, 139, 445, 3389, 5985}
                    state = "SF" if opened else "REJ"
                    company.sensor.connection(at, source.ip, (host.ip, port), "-",
                                              Amount(0.2, 300, 400), state=state)  # fmt: skip
                    at += dice.uniform(0.02, 0.3)
                session = host.log_on(at, account, 3, ("MON01", source.ip), "NTLM")
                host.log_off(at + 30, session)
                at += dice.uniform(2, 20)
        night += DAY
        yield night
