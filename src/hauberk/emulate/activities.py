"""What people do at work, one function a kind of deed: (desk, time) -> when it is done."""

from collections.abc import Callable

from .company import new_site, words
from .deeds import open_share, plain, resolve, secure
from .desk import Desk
from .sensor import Amount
from .windows_deeds import connect, set_value, write_file

_BROWSERS = ("chrome", "chrome", "chrome", "msedge")
_OFFICE = {"document": ("winword", "docx"), "spreadsheet": ("excel", "xlsx")}
_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/145.0.0.0 Safari/537.36"
)


def _amount(desk: Desk, back: float) -> Amount:
    dice = desk.dice
    return Amount(dice.around(18, 1.0), int(dice.around(1800, 0.6)), int(dice.around(back, 1.1)))


def browse(desk: Desk, time: float) -> float:
    """A page, and what it loads from elsewhere."""
    dice, company = desk.dice, desk.company
    browser = "msedge" if desk.person.account.sid.endswith("2") else "chrome"
    process = desk.use(browser, time)
    if dice.chance(0.35):
        child = f"{process.command} --type=renderer --lang=en-US --renderer-client-id="
        child += str(dice.randrange(900))
        desk.host.start(time + 0.1, browser, process, desk.session, child,
                        lives=dice.around(400), integrity="Low")  # fmt: skip
    site = new_site(dice) if dice.chance(0.05) else dice.zipf(desk.person.sites)
    secure(company, desk.host, time + 0.3, process, site, _amount(desk, 90_000), "browser")
    for _ in range(dice.randrange(1, 4)):
        other = dice.zipf(company.public_sites, 1.3)
        at = time + 0.5 + dice.random() * 2
        secure(company, desk.host, at, process, f"cdn.{other.split('.', 1)[1]}",
               _amount(desk, 30_000), "browser")  # fmt: skip
    if dice.chance(0.03):
        plain(company, desk.host, time + 3, process, site, ("GET", "/index.html"), _AGENT, 18_000)
    cache = f"{desk.person.account.home}\\AppData\\Local\\Temp\\{dice.guid().lower()}.tmp"
    if dice.chance(0.3):
        write_file(desk.host, time + 1, process, cache)
    if dice.chance(0.05):
        name = f"{dice.choice(words()['subjects'])}-{dice.randrange(2019, 2027)}.pdf"
        path = f"{desk.person.account.home}\\Downloads\\{name}"
        write_file(desk.host, time + 4, process, path)
    return time + dice.around(40)


def mail(desk: Desk, time: float) -> float:
    """Letters are read and written in the mail program."""
    dice, company = desk.dice, desk.company
    process = desk.use("outlook", time)
    server = company.windows["ex01"]
    secure(company, desk.host, time + 0.1, process, server.fqdn, _amount(desk, 24_000))
    if dice.chance(0.3):
        person = dice.choice(company.people)
        receiver = person.mail
        if dice.chance(0.4):
            first = dice.choice(words()["first_names"]).lower()
            receiver = f"{first}@{dice.zipf(company.public_sites).split('.', 1)[1]}"
        subject = f"{dice.choice(desk.person.documents)}"
        letter = (desk.person.mail, receiver, subject)
        if not receiver.endswith(company.domain):
            exchanger = company.address("mx." + receiver.split("@")[1])
            size = int(dice.around(9000, 1))
            company.sensor.mail(time + 2, server.ip, exchanger, letter, size)
    if dice.chance(0.12):
        name = f"{dice.choice(desk.person.documents)}.{dice.choice(('docx', 'xlsx', 'pdf'))}"
        folder = f"{desk.person.account.home}\\AppData\\Local\\Microsoft\\Windows\\INetCache\\"
        path = f"{folder}Content.Outlook\\{dice.token(8).upper()}\\{name}"
        write_file(desk.host, time + 4, process, path)
        program = {"docx": "winword", "xlsx": "excel"}.get(name[-4:], "acrobat")
        if program not in desk.open:
            image = desk.host.start(
                time + 5, program, process, desk.session, lives=dice.around(600)
            )
            set_value(desk.host, time + 6, image, _recent(desk, program), "Binary Data")
    return time + dice.around(50)


def _recent(desk: Desk, program: str) -> str:
    name = {"winword": "Word", "excel": "Excel", "acrobat": "Acrobat"}[program]
    root = f"HKU\\{desk.person.account.sid}\\SOFTWARE\\Microsoft\\Office\\16.0\\{name}"
    return f"{root}\\File MRU\\Item {desk.dice.randrange(1, 20)}"


def document(desk: Desk, time: float, kind: str = "document") -> float:
    """A document of one's own or of the share is opened, edited and saved."""
    dice, company = desk.dice, desk.company
    name, ending = _OFFICE[kind]
    title = f"{dice.zipf(desk.person.documents)}.{ending}"
    if dice.chance(0.06):
        title = f"{dice.choice(words()['projects'])} {dice.choice(words()['subjects'])}.{ending}"
        desk.person.documents[dice.randrange(40)] = title.rsplit(".", 1)[0]
    folder = f"{desk.person.account.home}\\Documents\\"
    if dice.chance(0.5):
        share = dice.zipf(desk.person.folders)
        folder = f"\\\\{company.windows['fs01'].fqdn}\\{share}\\"
        opened = [("SMB::FILE_OPEN", title, int(dice.around(60_000, 1)))]
        if dice.chance(0.5):
            opened.append(("SMB::FILE_WRITE", title, int(dice.around(60_000, 1))))
        seconds = dice.around(90)
        open_share(company, time, desk.host, company.windows["fs01"], desk.person.account, share,
                   opened, seconds)  # fmt: skip
    command = f'"{desk.open[name].image if name in desk.open else ""}"'
    fresh = name not in desk.open
    process = desk.use(name, time, "" if fresh else command)
    set_value(desk.host, time + 1, process, _recent(desk, name), "Binary Data")
    if dice.chance(0.6):
        write_file(desk.host, time + 20, process, f"{folder}~${title[2:]}")
    if dice.chance(0.4):
        write_file(desk.host, time + 45, process, folder + title)
    if dice.chance(0.15):
        desk.close(name, time + 60)
    if dice.chance(0.3):
        secure(company, desk.host, time + 2, process, "config.office-cloud.example",
               _amount(desk, 9000))  # fmt: skip
    return time + dice.around(75)


def spreadsheet(desk: Desk, time: float) -> float:
    """The same with a spreadsheet."""
    return document(desk, time, "spreadsheet")


def share(desk: Desk, time: float) -> float:
    """Folders of the file server are looked through."""
    dice, company = desk.dice, desk.company
    endings = ("docx", "xlsx", "pdf", "pptx", "txt", "csv")
    opened = [
        ("SMB::FILE_OPEN", f"{dice.zipf(desk.person.documents)}.{dice.zipf(endings)}",
         int(dice.around(40_000, 1)))
        for _ in range(dice.randrange(1, 6))
    ]  # fmt: skip
    seconds = dice.around(60)
    open_share(company, time, desk.host, company.windows["fs01"], desk.person.account,
               dice.zipf(desk.person.folders), opened, seconds)  # fmt: skip
    return time + seconds


def chat(desk: Desk, time: float) -> float:
    """A few messages."""
    process = desk.use("teams", time)
    secure(desk.company, desk.host, time, process, "chat.office-cloud.example",
           _amount(desk, 12_000))  # fmt: skip
    return time + desk.dice.around(30)


def search(desk: Desk, time: float) -> float:
    """A word is looked up."""
    browser = desk.use("chrome", time)
    secure(desk.company, desk.host, time, browser, "www.findall.example", _amount(desk, 40_000),
           "browser")  # fmt: skip
    return browse(desk, time + desk.dice.uniform(3, 20))


def print_out(desk: Desk, time: float) -> float:
    """Something is printed."""
    dice, host = desk.dice, desk.host
    printer = (dice.zipf(desk.company.printers), 9100)
    amount = Amount(dice.around(6), int(dice.around(400_000)), 900)
    seen = desk.company.sensor.connection(time + 1, host.ip, printer, "-", amount)
    connect(host, time + 1, host.running["spoolsv"], printer, "-", seen.port)
    spool = f"C:\\Windows\\System32\\spool\\PRINTERS\\{dice.randrange(99999):05d}.SPL"
    write_file(host, time + 0.5, host.running["spoolsv"], spool)
    return time + dice.around(20)


def pdf(desk: Desk, time: float) -> float:
    """A PDF file is read."""
    desk.close("acrobat", time)
    name = f"{desk.dice.zipf(desk.person.documents)}.pdf"
    path = f"{desk.person.account.home}\\Downloads\\{name}"
    desk.use("acrobat", time + 1, f'"{_acrobat()}" "{path}"')
    return time + desk.dice.around(80)


def _acrobat() -> str:
    return "C:\\Program Files\\Adobe\\Acrobat DC\\Acrobat\\Acrobat.exe"


def _client(desk: Desk, time: float, program: str, server: str, port: int) -> float:
    process = desk.use(program, time)
    host, there = desk.host, desk.company.windows[server]
    resolve(desk.company, host, time + 0.2, there.fqdn, process)
    amount = Amount(
        desk.dice.around(60), int(desk.dice.around(9000)), int(desk.dice.around(70_000))
    )
    seen = desk.company.sensor.connection(time + 0.3, host.ip, (there.ip, port), "-", amount)
    connect(host, time + 0.3, process, (there.ip, port), there.fqdn, seen.port)
    return time + desk.dice.around(90)


def ledger(desk: Desk, time: float) -> float:
    """Entries are made in the books."""
    return _client(desk, time, "ledger", "sql01", 1433)


def people(desk: Desk, time: float) -> float:
    """Personnel files are kept."""
    return _client(desk, time, "people", "app01", 8443)


Activity = Callable[[Desk, float], float]

ORDINARY: dict[str, Activity] = {
    "browse": browse, "mail": mail, "document": document, "spreadsheet": spreadsheet,
    "share": share, "chat": chat, "search": search, "print": print_out, "pdf": pdf,
    "ledger": ledger, "people": people,
}  # fmt: skip
"""By the names that company.toml calls them."""
