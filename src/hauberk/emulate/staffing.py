"""People who join: an account is made for them before they come."""

from dataclasses import replace

from .agenda import Actor
from .company import Company, words
from .deeds import network_log_on
from .directory import change_account, join_group
from .times import DAY, HOUR, weekday

_EACH_DAY = 0.15


def joiners(company: Company) -> Actor:
    """On some working days, somebody of IT makes an account for a new colleague."""
    dice, dc = company.dice("joiners"), company.windows["dc01"]
    makers = [person for person in company.people if person.powers is not None]
    night, number = company.start, 9000
    while True:
        at = night + dice.uniform(9, 16) * HOUR
        maker = dice.choice(makers)
        wanted = weekday(night) < 5 and dice.chance(_EACH_DAY)
        yield at
        night += DAY
        if not wanted or maker.powers is None or maker.host.interactive is None:
            continue
        number += 1
        first, last = dice.choice(words()["first_names"]), dice.choice(words()["last_names"])
        domain_sid = maker.account.sid.rsplit("-", 1)[0]
        account = replace(
            maker.account,
            name=f"{first[0]}{last}{number % 100}".lower(),
            sid=f"{domain_sid}-{number}",
        )
        session = network_log_on(company, at, maker.host, dc, maker.powers, "ldap")
        for wait, event in ((3.0, 4720), (3.1, 4722), (3.2, 4724), (3.3, 4738)):
            change_account(company, at + wait, session, account, event)
        for group in dice.sample(("Staff", "VPN Users", "Projects", "Printers"), 2):
            join_group(company, at + dice.uniform(10, 60), session, account, group, admins=False)
        dc.log_off(at + 120, session)
