"""One-time codes against the vectors of RFC 6238, and what is taken twice or too late."""

from datetime import UTC, datetime

import pytest

from hauberk.console import totp

RFC_SECRET = b"12345678901234567890"
NOW = datetime(2026, 3, 2, 12, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"),
        (2000000000, "279037"), (20000000000, "353130"),
    ],
)  # fmt: skip
def test_codes_are_those_of_the_rfc(seconds: int, code: str) -> None:
    assert totp.code_at(RFC_SECRET, seconds // totp.STEP_SECONDS) == code


def test_a_code_is_taken_a_step_early_or_late_and_no_further() -> None:
    here = totp.step_of(NOW)
    for away in range(-4, 5):
        code = totp.code_at(RFC_SECRET, here + away)
        found = totp.matching_step(RFC_SECRET, code, NOW, after=0)
        assert found == (here + away if abs(away) <= 1 else None)


def test_a_code_is_not_taken_twice() -> None:
    here = totp.step_of(NOW)
    code = totp.code_at(RFC_SECRET, here)
    assert totp.matching_step(RFC_SECRET, code, NOW, after=here) is None


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "\u0661\u0662\u0663456"])
def test_what_is_no_code_is_not_taken(code: str) -> None:
    assert totp.matching_step(RFC_SECRET, code, NOW, after=0) is None
