"""Password spraying: few tries an account, many sources, and one that succeeds."""

from hauberk.emulate.agenda import Actor
from hauberk.emulate.company import Person, words
from hauberk.emulate.directory import check_password, granting_ticket
from hauberk.emulate.sensor import Amount
from hauberk.emulate.times import DAY, HOUR, MINUTE
from hauberk.emulate.windows_deeds import script

from .attack import Attack

_AGENT = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/119.0.0.0"

_ASKS = (("s3", "ListBuckets"), ("iam", "ListUsers"), ("ec2", "DescribeInstances"))


def password_spray(attack: Attack) -> Actor:
    """Rounds over all accounts for days; the last round finds a password."""
    company, dice = attack.company, attack.dice
    sources = [company.address(attack.site()) for _ in range(dice.randrange(25, 60))]
    victim = dice.choice(company.staff("staff", "finance", "hr"))
    days = max(1, int((company.until - company.start) // DAY))
    found = False
    for day in range(min(days, 6)):
        at = company.start + day * DAY + dice.uniform(5.5, 7) * HOUR
        last = day == min(days, 6) - 1
        rounds = dice.randrange(2, 4)
        for turn in range(rounds):
            everybody = list(company.people)
            dice.shuffle(everybody)
            for person in everybody:
                yield at
                found = last and turn == rounds - 1 and person is victim
                source = dice.choice(sources)
                _try(attack, person, source, at, good=found)
                if found:
                    break
                at += dice.uniform(0.5, 1.5) * 3 * HOUR / len(everybody)
            if found:
                break
    at += dice.uniform(10, 40) * MINUTE
    yield at
    _take_over(attack, victim, dice.choice(sources), at)


def _try(attack: Attack, person: Person, source: str, time: float, *, good: bool) -> None:
    """One password for one account, at the mail server's front end or the VPN's ssh."""
    company, dice = attack.company, attack.dice
    front, vpn = company.windows["ex01"], company.linux["vpn01"]
    account = person.account
    name = "found" if good else "spray"
    said = f"{account.name}'s password is found" if good else "Passwords are tried, few an account"
    techniques = ["T1110.003", "T1078.002"] if good else ["T1110.003"]
    with attack.step(
        name, "credential-access", techniques, said, users=[account.name] if good else [],
        ips=[source] if good else [], hosts=[front.name, "vpn01"],
    ):  # fmt: skip
        if dice.chance(0.3) and not good:
            seen = company.sensor.ssh(time, source, vpn.ip, Amount(3, 2000, 2500),
                                      "SSH-2.0-libssh2_1.10.0", success=False)  # fmt: skip
            vpn.refuse(time + 0.5, account.name, (source, seen.port))
            return
        company.sensor.tls(time, source, (front.ip, 443), f"mail.{company.domain}",
                           Amount(0.8, 1900, 5200), "spray")  # fmt: skip
        if good:
            check_password(company, time + 0.2, account, front.name)
            session = front.log_on(time + 0.3, account, 8, (front.name, source), "Negotiate")
            front.log_off(time + 900, session)
        else:
            check_password(company, time + 0.2, account, front.name, "0xc000006a")
            front.refuse(time + 0.3, account, 8, (front.name, source))


def _take_over(attack: Attack, victim: Person, source: str, time: float) -> None:
    """The mailbox is read, a rule hides the answers, colleagues get letters; then the cloud."""
    company, dice = attack.company, attack.dice
    front, vpn, account = company.windows["ex01"], company.linux["vpn01"], victim.account
    with attack.step(
        "mailbox", "collection", ["T1114.002", "T1564.008"],
        f"{source} reads the mailbox of {account.name} and makes a rule that hides answers",
        users=[account.name], ips=[source], hosts=[front.name],
    ):  # fmt: skip
        company.sensor.tls(time, source, (front.ip, 443), f"mail.{company.domain}",
                           Amount(600, 90_000, 48_000_000), "spray")  # fmt: skip
        session = front.log_on(time + 1, account, 8, (front.name, source), "Negotiate")
        worker = front.start(time + 2, "w3wp", front.running["svchost"])
        rule = f"-Name '{attack.word(1, 3)}' -SubjectContainsWords 'password','link' "
        rule += "-DeleteMessage $true"
        text = f"New-InboxRule -Mailbox {account.name} {rule}"
        script(front, time + 120, worker, text)
        front.log_off(time + 700, session)
        front.end(time + 3600, worker)
    with attack.step(
        "letters-inside", "lateral-movement", ["T1534"],
        f"Letters with a link go from {account.name} to colleagues",
        users=[account.name], hosts=[front.name],
    ):  # fmt: skip
        link = attack.site("share", "doc")
        for person in dice.sample(company.people, min(8, len(company.people))):
            subject = f"{dice.choice(words()['subjects'])} https://{link}/{attack.word()}"
            time += dice.uniform(1, 9)
            company.sensor.mail(
                time + 300, vpn.ip, front.ip, (victim.mail, person.mail, subject), 9000
            )
    with attack.step(
        "vpn", "persistence", ["T1133", "T1078"],
        f"{source} opens a session at the VPN as {account.name}",
        users=[account.name], ips=[source, vpn.ip], hosts=["vpn01"],
    ):  # fmt: skip
        seen = company.sensor.ssh(time + 1200, source, vpn.ip, Amount(1800, 90_000, 2_000_000),
                                  "SSH-2.0-libssh2_1.10.0")  # fmt: skip
        vpn.accept(time + 1201, account.name, (source, seen.port), "password", 1800)
        granting_ticket(company, time + 1230, account, vpn.ip)
    with attack.step(
        "console", "initial-access", ["T1078.004"],
        f"{source} signs in to the cloud as {victim.mail} and looks around",
        users=[victim.mail], ips=[source],
    ):  # fmt: skip
        who = victim.cloud or company.cloud.role("read-only", victim.mail)
        at = time + 2400
        company.cloud.console(at, who, source, _AGENT, good=False)
        company.cloud.console(at + 40, who, source, _AGENT, mfa=False)
        for service, operation in _ASKS:
            at += dice.around(20)
            company.cloud.call(at + 60, who, service, operation, source, _AGENT)
