"""What computers do by themselves: updaters, agents, indexing, clocks, scheduled jobs."""
# ruff: noqa: ARG001  # chores share one signature

from collections.abc import Callable

from .agenda import Actor
from .company import Company
from .deeds import plain, resolve, secure
from .dice import Dice
from .sensor import Amount
from .times import DAY, HOUR, MINUTE
from .windows_deeds import connect, open_process, service_state, set_value, write_file
from .windows_host import WindowsHost

_GROUPS = ("wusvcs -p -s WaaSMedicSvc", "netsvcs -p -s wlidsvc", "LocalService -p -s BITS",
           "netsvcs -p -s wuauserv", "appmodel -p -s camsvc", "LocalService -p -s LicenseManager",
           "netsvcs -p -s Appinfo", "LocalSystemNetworkRestricted -p -s StorSvc",
           "netsvcs -p -s UsoSvc", "NetworkService -p -s DoSvc",
           "wsappx -p -s ClipSVC")  # fmt: skip
_STATES = (
    "Windows Update",
    "Background Intelligent Transfer Service",
    "Software Protection",
    "Windows Modules Installer",
    "Device Setup Manager",
    "Client License Service (ClipSVC)",
)
_TASKS = ("taskhostw.exe KEYROAMING", "taskhostw.exe SYSTEM", "taskhostw.exe /RuntimeWide",
          "taskhostw.exe NGCKeyPregen", "taskhostw.exe USER")  # fmt: skip


def _service(company: Company, host: WindowsHost, dice: Dice, time: float) -> None:
    command = f"C:\\Windows\\system32\\svchost.exe -k {dice.zipf(_GROUPS)}"
    host.start(time, "svchost", command=command, lives=dice.around(300))
    if dice.chance(0.3):
        service_state(host, time + 0.2, dice.zipf(_STATES), dice.choice(("running", "stopped")))


def _index(company: Company, host: WindowsHost, dice: Dice, time: float) -> None:
    indexer = host.running["searchindexer"]
    host.start(time, "searchprotocolhost", indexer, lives=dice.around(90))
    host.start(time + 0.1, "searchfilterhost", indexer, lives=dice.around(90))


def _broker(company: Company, host: WindowsHost, dice: Dice, time: float) -> None:
    name = dice.zipf(("backgroundtaskhost", "runtimebroker", "dllhost", "smartscreen"))
    host.start(time, name, host.running["svchost"], host.interactive, lives=dice.around(20))


def _task(company: Company, host: WindowsHost, dice: Dice, time: float) -> None:
    command = dice.zipf(_TASKS)
    host.start(time, "taskhostw", host.running["svchost"], command=command, lives=dice.around(30))


def _registry(company: Company, host: WindowsHost, dice: Dice, time: float) -> None:
    key = dice.zipf((
        "HKLM\\System\\CurrentControlSet\\Services\\bam\\State\\UserSettings",
        "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\WindowsUpdate\\Orchestrator",
        "HKLM\\System\\CurrentControlSet\\Services\\W32Time\\Config\\LastKnownGoodTime",
        "HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Schedule\\TaskCache\\Tree",
        "HKLM\\System\\CurrentControlSet\\Services\\Tcpip\\Parameters\\Interfaces\\DhcpIPAddress",
    ))  # fmt: skip
    for _ in range(dice.randrange(1, 4)):
        set_value(host, time + dice.random(), host.running["svchost"], key, "QWORD")


def _wmi(company: Company, host: WindowsHost, dice: Dice, time: float) -> None:
    host.start(time, "wmiprvse", host.running["svchost"], lives=dice.around(90))


def _updater(company: Company, host: WindowsHost, dice: Dice, time: float) -> None:
    name, site = dice.choice((
        ("googleupdate", "update.browser-vendor.example"), ("edgeupdate", "edge.update.example"),
        ("officec2r", "officecdn.office-cloud.example"), ("usoclient", "sls.update.example"),
        ("compattel", "telemetry.update.example"), ("mpcmdrun", "definitions.update.example"),
    ))  # fmt: skip
    process = host.start(time, name, host.running["svchost"], lives=dice.around(30))
    amount = Amount(dice.around(4), 2400, int(dice.around(20_000, 1)))
    secure(company, host, time + 1, process, site, amount)
    if name == "mpcmdrun":
        folder = "C:\\ProgramData\\Microsoft\\Windows Defender\\Definition Updates\\"
        write_file(
            host, time + 9, host.running["msmpeng"], f"{folder}{{{dice.guid()}}}\\mpavdlta.vdm"
        )


def _antivirus(company: Company, host: WindowsHost, dice: Dice, time: float) -> None:
    lsass = host.running["lsass"]
    open_process(host, time, host.running["msmpeng"], lsass, "0x1000")
    if dice.chance(0.4):
        open_process(host, time + 1, host.running["svchost"], lsass, "0x1000")


def _delivery(company: Company, host: WindowsHost, dice: Dice, time: float) -> None:
    size = int(dice.around(400_000, 1.2))
    path = f"/filestreamingservice/files/{dice.guid().lower()}?P1={int(time)}"
    plain(company, host, time, host.running["svchost"], "dl.delivery.update.example", ("GET", path),
          "Microsoft-Delivery-Optimization/10.1", size, "application/octet-stream")  # fmt: skip


_Chore = Callable[[Company, WindowsHost, Dice, float], None]
_CHORES: tuple[_Chore, ...] = (_broker, _service, _registry, _index, _task, _antivirus, _wmi,
                               _updater, _delivery)  # fmt: skip


def chores(company: Company, name: str) -> Actor:
    """Something small every minute or so, while the computer is on; less while nobody works."""
    host, dice = company.windows[name], company.dice("chores", name)
    host.boot(company.start, told=False)
    server = not name.startswith(("lt", "ws"))
    host.on = server or dice.chance(0.25)
    at = company.start + dice.uniform(0, 60)
    while True:
        yield at
        if host.on:
            dice.zipf(_CHORES, 0.7)(company, host, dice, at)
        at += dice.often(46 if host.interactive else 110 if server else 160)


def agents(company: Company, name: str) -> Actor:
    """The endpoint agent reports, every five minutes; the clock is set now and then."""
    host, dice = company.windows[name], company.dice("agents", name)
    dc = company.windows["dc01"]
    at = company.start + dice.uniform(0, 300)
    clock = at + dice.uniform(0, 1000)
    while True:
        yield at
        if host.on:
            amount = Amount(dice.uniform(0.3, 1.4), int(dice.around(5200, 0.4)), 1400)
            secure(company, host, at, host.running["edr"], "ingest.palisade.example", amount)
            if at > clock and name != "dc01":
                clock = at + dice.jittered(2048)
                company.sensor.connection(at + 1, host.ip, (dc.ip, 123), "ntp",
                                          Amount(0.001, 48, 48), "udp", port=123)  # fmt: skip
        at += dice.jittered(300, 0.08)


def chat_client(company: Company, name: str) -> Actor:
    """The chat program keeps in touch while somebody is logged on."""
    host, dice = company.windows[name], company.dice("chat", name)
    at = company.start + dice.uniform(0, 120)
    while True:
        yield at
        if host.interactive is not None and host.on and "explorer" in host.running:
            process = host.running["explorer"]
            site = "presence.office-cloud.example"
            ip = resolve(company, host, at, site, process)
            amount = Amount(dice.uniform(0.1, 0.6), int(dice.around(1300, 0.3)), 900)
            seen = company.sensor.tls(at + 0.1, host.ip, (ip, 443), site, amount, "teams")
            connect(host, at + 0.1, process, (ip, 443), site, seen.port)
        at += dice.jittered(95, 0.25)


def nightly(company: Company, name: str) -> Actor:
    """Inventory in the morning, a scan by the antivirus at noon, tidying up at night."""
    host, dice = company.windows[name], company.dice("nightly", name)
    night = company.start
    while True:
        for hour, deed in ((9.5, "inventory"), (12.2, "mpcmdrun"), (14.5, "defrag")):
            yield night + hour * HOUR + dice.uniform(0, 50) * MINUTE
            if not host.on:
                continue
            at = night + hour * HOUR + 51 * MINUTE
            parent = host.running["edr"] if deed == "inventory" else host.running["svchost"]
            command = ""
            if deed == "mpcmdrun":
                command = f'"{host.running["msmpeng"].image[:-11]}MpCmdRun.exe" Scan -ScheduleJob'
            process = host.start(at, deed, parent, command=command, lives=dice.around(500))
            if deed == "inventory":
                for tool, text in (("ipconfig", "ipconfig /all"), ("systeminfo", "systeminfo")):
                    host.start(at + dice.uniform(1, 30), tool, process, command=text, lives=2)
        night += DAY
