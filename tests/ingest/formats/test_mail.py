"""Mail, in files of its own and in mbox files."""

import base64
import hashlib
import time
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.events import EventClass, LogKey
from hauberk.ingest.formats.mail import Mail
from hauberk.ingest.interface import RecordBatch
from hauberk.ingest.known_formats import recognise
from hauberk.ingest.stamp import parse_again

from .accounting import mangled, parsed_whole

PLAIN = b"""Received: from mx.example.net by mail.example.org; Tue, 05 Mar 2024 10:00:00 +0100
Authentication-Results: mail.example.org; spf=fail smtp.mailfrom=x; dkim=none; dmarc=fail
Authentication-Results: forged.example; spf=pass; dkim=pass; dmarc=pass
Return-Path: <bounce@example.net>
From: "Your Bank" <Alerts@Example.NET>
Reply-To: other@example.com
To: Bob <bob@example.org>, carol@example.org
Subject: =?utf-8?q?Account_=C3=A9?=
Message-ID: <1@example.net>
Date: Mon, 04 Mar 2024 23:00:00 +0000

See https://login.example.com/a?b=1 and answer.
"""

PAYLOAD = b"MZ not really"
MULTIPART = (
    b"From: a@example.net\nTo: b@example.org\nSubject: invoice\nMIME-Version: 1.0\n"
    b"Date: Mon, 04 Mar 2024 23:00:00 +0000\n"
    b'Content-Type: multipart/mixed; boundary="xx"\n\nignored\n--xx\n'
    b"Content-Type: text/html\n\n<p>Hello <a href='http://example.com/x?a=1&amp;b=2'>here</a></p>\n"
    b"--xx\nContent-Type: application/zip\nContent-Transfer-Encoding: base64\n"
    b'Content-Disposition: attachment; filename="a.zip"\n\n'
    + base64.encodebytes(PAYLOAD)
    + b"--xx--\n"
)
MBOX = (
    b"From a@example.net Mon Mar  4 12:00:00 2024\n" + PLAIN + b"\n"
    b"From b@example.net Tue Mar  5 12:00:00 2024\nFrom: x@example.net\nSubject: two\n\n"
    b"From here on this is text.\n\nFrom nobody, a line of text.\n"
)


def row(data: bytes) -> dict[str, object]:
    parsed = parsed_whole(Mail(), data)
    assert parsed.events == 1
    return parsed.groups[0].group.events.row(0, named=True)


def test_a_message_is_one_event_with_addresses_links_and_the_servers_own_checks() -> None:
    assert recognise(PLAIN, None) is not None
    assert recognise(PLAIN, None).name == "mail"  # type: ignore[union-attr]
    event = row(PLAIN)
    assert event["email.from"] == "alerts@example.net"
    assert event["email.to"] == ["bob@example.org", "carol@example.org"]
    assert event["email.to_count"] == 2
    assert event["email.subject"] == "Account é"
    assert event["email.reply_to"] == "other@example.com"
    assert event["email.urls"] == ["https://login.example.com/a?b=1"]
    assert event["time"] == datetime(2024, 3, 5, 9, 0, tzinfo=UTC)
    checks = (event["email_auth.spf"], event["email_auth.dkim"], event["email_auth.dmarc"])
    assert checks == ("fail", "none", "fail")


def test_attachments_are_told_by_name_and_digest_and_links_of_markup_are_read() -> None:
    event = row(MULTIPART)
    assert event["email.files"] == ["a.zip"]
    assert event["email.file_hashes"] == [hashlib.sha256(PAYLOAD).hexdigest()]
    assert event["email.urls"] == ["http://example.com/x?a=1&b=2"]


def test_rules_see_headers_and_text_that_no_column_holds() -> None:
    group = parsed_whole(Mail(), MULTIPART).groups[0].group
    assert group.key == LogKey("mail", "message")
    assert group.event_class is EventClass.EMAIL_ACTIVITY
    assert "Hello" in str(group.fields.row(0)["body"])
    assert not any("Hello" in str(value) for value in group.events.row(0))


def test_an_mbox_is_cut_at_its_own_lines_and_not_at_text_that_begins_alike() -> None:
    parsed = parsed_whole(Mail(), MBOX)
    assert parsed.events == 2
    events = parsed.groups[0].group.events
    assert events["email.subject"].to_list() == ["Account é", "two"]
    assert events["time"].to_list()[1] == datetime(2024, 3, 5, 12, 0, tzinfo=UTC)


def test_a_stored_message_parsed_again_is_the_same_event() -> None:
    parsed = parsed_whole(Mail(), MBOX)
    assert parsed.raw is not None
    again = parse_again(list(parsed.raw), "mail")
    assert [int(one.records[0]) for one in again.groups] == [0, 1]
    rows = [one.group.events.row(0, named=True) for one in again.groups]
    assert rows == parsed.groups[0].group.events.rows(named=True)


def test_text_without_headers_and_other_logs_are_no_mail() -> None:
    form = Mail()
    assert form.sniff(b"Dear Sir,\nplease pay.\n", None) == 0
    assert form.sniff(b"2024-01-01 10:00:00 host app: From: x To: y Subject: z\n", None) == 0
    assert form.sniff(b"name: value\ntitle: thing\nid: 1\ndate: 2024\nto: x\n\n", None) == 0
    assert form.sniff(b"", None) == 0


def test_deep_nesting_and_thousands_of_parts_take_no_longer_than_their_bytes() -> None:
    deep = b"From: a@example.net\nTo: b@example.org\nSubject: x\n"
    for level in range(3000):
        deep += b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (level, level)
    many = MULTIPART.replace(b"--xx--\n", b"") + b"--xx\n\nx\n" * 100_000
    began = time.process_time()
    parsed_whole(Mail(), deep + b"\n" * 1_000_000)
    parsed_whole(Mail(), many)
    parsed_whole(Mail(), b"From: " + b"(" * 200_000 + b"\nTo: " + b"=?" * 100_000 + b"\n\nx")
    parsed_whole(Mail(), b"Subject: x\n" * 200_000 + b"From: a@example.net\n\nx")
    assert time.process_time() - began < 8


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**9), st.sampled_from([PLAIN, MULTIPART, MBOX]))
def test_mangled_messages_never_raise_and_every_record_is_accounted_for(
    seed: int, data: bytes
) -> None:
    parsed_whole(Mail(), mangled(data, seed))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=60))
def test_any_bytes_as_headers_and_as_charset_are_read_without_an_error(
    blob: bytes, charset: bytes
) -> None:
    head = b"From: " + blob + b"\nSubject: =?" + charset + b"?b?" + blob + b"?=\n"
    parsed_whole(Mail(), head + b"Content-Type: text/plain; charset=" + charset + b"\n\n" + blob)
    Mail().parse(RecordBatch(blob, "test"))
