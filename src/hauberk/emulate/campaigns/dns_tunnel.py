"""A tunnel through name look-ups: data leaves in the names that are asked for."""

from hauberk.emulate.agenda import Actor
from hauberk.emulate.programs import unknown
from hauberk.emulate.times import MINUTE
from hauberk.emulate.windows_deeds import query

from .attack import Attack
from .toolbox import autostart, look_around


def dns_tunnel(attack: Attack) -> Actor:
    """An implant on one computer, which talks by TXT records only."""
    company, dice = attack.company, attack.dice
    at = attack.office_time(10, 13)
    yield at
    present = [each for each in company.people if each.host.interactive is not None]
    victim = dice.choice(present or company.people)
    host = victim.host
    explorer = host.running.get("explorer", host.running["services"])
    tool = f"{victim.account.home}\\AppData\\Local\\{attack.word()}\\{attack.word()}.exe"
    zone = attack.site()
    with attack.step(
        "implant", "execution", ["T1204.002"], f"{victim.account.name} starts {tool}",
        hosts=[host.name], users=[victim.account.name], files=[tool],
    ):  # fmt: skip
        implant = host.start(at, unknown(tool), explorer, host.interactive)
    autostart(attack, host, implant, tool, at + 9)
    yield at + 5 * MINUTE
    look_around(attack, host, implant, at + 5 * MINUTE, 4)
    dc = company.windows["dc01"]
    resolver = company.address("resolver.isp.example")
    until = at + dice.uniform(1.5, 4) * 3600
    sending = at + dice.uniform(20, 50) * MINUTE
    ends = sending + dice.uniform(5, 20) * MINUTE
    while at < until:
        busy = sending < at < ends
        at += dice.uniform(0.1, 0.6) if busy else dice.jittered(11, 0.5)
        yield at
        with attack.step(
            "tunnel", "command-and-control", ["T1071.004", "T1048.003", "T1572"],
            f"{host.name} asks for long names under {zone}",
            hosts=[host.name], domains=[zone], processes=[tool], ips=[host.ip],
        ):  # fmt: skip
            size = dice.randrange(40, 60) if busy else dice.randrange(12, 24)
            name = f"{dice.hex(size)}.{dice.hex(size) + '.' if busy else ''}{zone}"
            said = [f"TXT {dice.randrange(8, 90)} {dice.token(30)}"]
            company.sensor.dns(at, host.ip, dc.ip, name, said, "TXT", 1)
            company.sensor.dns(at + 0.001, dc.ip, resolver, name, said, "TXT", 1)
            query(host, at + 0.02, implant, name, "type:  16 ;")
