"""The Internet at the company's door: visitors of the web site, and noise."""

from .agenda import Actor
from .company import Company, outside_address
from .sensor import Amount
from .times import DAY, HOUR

_PAGES = ("/", "/products", "/about", "/contact", "/blog", "/jobs", "/assets/app.js",
          "/assets/style.css", "/images/logo.svg", "/search?q=price",
          "/news", "/support")  # fmt: skip
_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/145.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Gecko/20100101 Firefox/147.0",
    "Mozilla/5.0 (compatible; findbot/2.1; +http://www.findall.example/bot.html)",
)
_NOISE = ("/wp-login.php", "/.env", "/phpmyadmin/", "/robots.txt", "/favicon.ico", "/.git/config")
_PORTS = (23, 80, 443, 8080, 22, 3389, 5900, 445, 1433, 6379, 8443, 2323, 5060, 9200)
_NAMES = ("root", "admin", "test", "ubuntu", "oracle", "user", "postgres", "git", "pi", "deploy")


def _somebody(company: Company, number: int) -> str:
    return outside_address(company.seed, f"visitor-{number}")


def visitors(company: Company) -> Actor:
    """People and crawlers read the web site."""
    dice, web = company.dice("visitors"), company.linux["web01"]
    name = "www." + company.domain
    at = company.start
    while True:
        busy = 7 < at % DAY / HOUR < 22
        at += dice.often(40 if busy else 160)
        yield at
        source = _somebody(company, dice.randrange(400))
        agent = dice.zipf(_AGENTS)
        when = at
        for _ in range(dice.randrange(1, 9)):
            when += dice.around(1.5, 1)
            noise = dice.chance(0.02)
            page = dice.choice(_NOISE) if noise else dice.zipf(_PAGES)
            status = 404 if noise else 304 if dice.chance(0.2) else 200
            body = 0 if status == 304 else int(dice.around(7000, 1))
            company.sensor.http(
                when, source, (web.ip, 80), ("GET", name, page), agent, status, body
            )


def probes(company: Company) -> Actor:
    """Scanners knock at single ports of the servers that face the Internet."""
    dice = company.dice("probes")
    doors = [company.linux["web01"].ip, company.linux["vpn01"].ip]
    at = company.start
    while True:
        at += dice.often(70)
        yield at
        source = _somebody(company, 1000 + dice.randrange(3000))
        state = dice.choice(("S0", "S0", "REJ"))
        company.sensor.connection(at, source, (dice.choice(doors), dice.zipf(_PORTS)), "-",
                                  Amount(0, 0, 0), state=state)  # fmt: skip


def wrong_keys(company: Company) -> Actor:
    """Machines somewhere try a few names at ssh."""
    dice, vpn = company.dice("wrong keys"), company.linux["vpn01"]
    at = company.start
    while True:
        at += dice.often(1500)
        yield at
        source = _somebody(company, 5000 + dice.randrange(600))
        when = at
        for _ in range(dice.randrange(1, 4)):
            amount = Amount(dice.uniform(1, 4), 1900, 2400)
            seen = company.sensor.ssh(when, source, vpn.ip, amount, "SSH-2.0-Go", success=False)
            user = dice.zipf(_NAMES)
            vpn.refuse(when + 0.4, user, (source, seen.port), known=user == "root")
            when += dice.around(4)
