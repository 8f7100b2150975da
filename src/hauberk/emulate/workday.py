"""A person's days: coming, breaks, work by habit, going home."""

from .agenda import Actor
from .company import Company, Person
from .desk import Desk, policy, wrong_password
from .technical import ACTIVITIES
from .times import DAY, HOUR, MINUTE, weekday


def days_of(company: Company, person: Person) -> Actor:
    """Every day of a person, from the first midnight on."""
    dice = company.dice("days", person.account.name)
    night = company.start
    after_absence = weekday(night) == 0
    while night < company.until:
        works = dice.chance(0.965) if weekday(night) < 5 else dice.chance(0.03)
        if not works:
            after_absence = True
            night += DAY
            yield night
            continue
        yield from _day(company, person, night, after_absence=after_absence)
        after_absence = weekday(night) >= 4
        night += DAY
        yield night


def _day(company: Company, person: Person, night: float, *, after_absence: bool) -> Actor:
    dice = company.dice("day", person.account.name, night)
    desk = Desk(company, person, dice)
    come = night + person.arrives + dice.gauss(0, 12 * MINUTE)
    go = come + dice.gauss(8.6, 0.6) * HOUR
    lunch = night + dice.gauss(12.3, 0.4) * HOUR
    yield come
    ready = come
    if not person.host.on or dice.chance(0.3):
        ready = desk.switch_on(come) + dice.uniform(5, 40)
    yield ready
    mistakes = 0
    if dice.chance(0.14 if after_absence else 0.04):
        mistakes = min(1 + int(dice.expovariate(1.2)), 4)  # the fifth would lock the account
    at = desk.log_on(ready, mistakes)
    eaten = False
    while at < go:
        yield at
        if not eaten and at > lunch:
            eaten = True
            at += dice.around(42 * MINUTE, 0.25)
            continue
        if dice.chance(0.012):
            at += dice.around(11 * MINUTE)
            continue
        if dice.chance(0.0015):
            wrong_password(company, at, person, person.account)
        done = ACTIVITIES[dice.zipf(person.does, 0.8)](desk, at)
        at = max(done, at + 1) + dice.around(person.pace, 0.9)
    yield at
    desk.leave(at, off=dice.chance(0.75))


def policies(company: Company, name: str) -> Actor:
    """A computer asks for its policy every 90 minutes or so, while it is on."""
    dice = company.dice("policy", name)
    at = company.start + dice.uniform(0, 90 * MINUTE)
    while True:
        yield at
        if company.windows[name].on:
            policy(company, dice, name, at)
        at += dice.uniform(90, 120) * MINUTE
