"""Notifications: by mail to a real SMTP server, and what telemetry may say in them."""

import email
import logging
import socketserver
import threading
import unicodedata
from collections.abc import Callable, Iterator
from email.message import Message as Mail
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.reports.outputs.conftest import incident, message

from hauberk.errors import UsageError
from hauberk.reports.outputs import Message, NotSentError, Output, Subject, sender_of

pytest.importorskip("apprise")
from hauberk.reports.outputs.notify import digest, harmless  # it needs the extra

Configured = Callable[..., list[Output]]


def of(uid: str, **changes: Any) -> Message:
    story = incident(uid, **changes)
    return message(1, id=uid, uid=uid, subject=Subject.INCIDENT, incident=story, title=story.title)


class _Smtp(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.say("220 test")
        server: Any = self.server
        while line := self.rfile.readline().strip().upper():
            if line == b"DATA":
                self.say("354 go on")
                lines = []
                while (one := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(one.removeprefix(b"."))
                if server.broken:
                    self.say("451 not now")
                    continue
                server.mails.append(email.message_from_bytes(b"".join(lines)))
                self.say("250 ok")
            elif line.startswith(b"EHLO"):
                self.say("250-test\r\n250 AUTH PLAIN")
            elif line.startswith(b"AUTH"):
                self.say("235 ok")
            elif line == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@pytest.fixture
def smtp() -> Iterator[Any]:
    server: Any = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smtp)
    server.daemon_threads, server.mails, server.broken = True, [], False
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def mailing(configured: Configured, folder: Path, *servers: Any, more: str = "") -> Output:
    urls = folder / "urls"
    urls.write_text(
        "\n".join(
            f"mailto://user:s3cret@127.0.0.1:{one.server_address[1]}"
            "?from=hauberk@example.org&to=soc@example.org&mode=insecure"
            for one in servers
        )
    )
    urls.chmod(0o600)
    (output,) = configured(f'[outputs.mail]\nkind = "notify"\nurls = {{ file = "{urls}" }}\n{more}')
    return output


def text_of(mail: Mail) -> str:
    parts = [one.get_payload(decode=True) for one in mail.walk() if not one.is_multipart()]
    return b"\n".join(one for one in parts if isinstance(one, bytes)).decode()


def test_a_digest_goes_out_as_one_mail_and_its_telemetry_is_harmless(
    configured: Configured, tmp_path: Path, smtp: Any
) -> None:
    output = mailing(configured, tmp_path, smtp, more='link = "https://h.example:8443/"\n')
    title = "<b>bold</b> [x](http://evil.example/a) @everyone \x1b[31m\u202e"
    sender_of(output).send([of("low", probability=0.6), of("i1", title=title, probability=0.9)])
    (mail,) = smtp.mails
    subject = str(email.header.make_header(email.header.decode_header(mail["Subject"])))
    assert "2 incidents, the first 90 %" in subject
    text = text_of(mail)
    assert "evil.example" not in text
    assert "http://" not in text
    assert "@everyone" not in text
    assert "<b>" not in text
    assert "\x1b" not in text
    assert "/incidents/i1" in text
    assert text.index("/incidents/i1") < text.index("/incidents/low")


def test_a_service_that_took_a_digest_is_not_told_again_when_another_did_not(
    configured: Configured, tmp_path: Path, smtp: Any, caplog: pytest.LogCaptureFixture
) -> None:
    other: Any = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smtp)
    other.daemon_threads, other.mails, other.broken = True, [], True
    threading.Thread(target=other.serve_forever, args=(0.05,), daemon=True).start()
    caplog.set_level(logging.DEBUG)
    output = mailing(configured, tmp_path, smtp, other)
    sender = sender_of(output)
    with pytest.raises(NotSentError) as failed:
        sender.send([of("i1")])
    assert failed.value.what == "not taken by mailto (2)"
    sender.close()  # as after every fault
    other.broken = False
    sender.send([of("i1"), of("i2")])
    assert ["i1" in text_of(one) for one in smtp.mails] == [True, False]
    assert ["i1" in text_of(one) for one in other.mails] == [True]
    other.shutdown()
    other.server_close()
    assert "s3cret" not in caplog.text + str(failed.value) + repr(output) + output.where


def test_notifications_are_of_new_incidents_within_the_budget_unless_settings_say_more(
    configured: Configured, tmp_path: Path, smtp: Any
) -> None:
    chosen = mailing(configured, tmp_path, smtp).filter
    assert not chosen.findings
    assert chosen.only_new
    assert chosen.lets(incident("i1"))
    assert not chosen.lets(incident("i1", above_budget=False))
    assert not chosen.lets(incident("i1", probability=0.4))
    wide = mailing(configured, tmp_path, smtp, more="above_budget = false\n").filter
    assert wide.lets(incident("i1", above_budget=False))


def test_addresses_that_nobody_knows_are_refused_and_never_shown(
    configured: Configured, tmp_path: Path
) -> None:
    urls = tmp_path / "urls"
    urls.write_text("mailto://u:p@example.org\nnosuch://s3cret@example.org")
    urls.chmod(0o600)
    with pytest.raises(UsageError, match="address 2 of urls") as refused:
        configured(f'[outputs.mail]\nkind = "notify"\nurls = {{ file = "{urls}" }}\n')
    assert "s3cret" not in str(refused.value)


def test_a_long_digest_names_ten_and_says_how_many_more() -> None:
    title, body = digest([of(f"i{n:02}", title=f"story {n:02}") for n in range(25)])
    assert title.startswith("Hauberk: 25 incidents")
    assert body.count("hauberk show") == 10
    assert body.endswith("and 15 more")


@given(st.text(max_size=300))
def test_harmless_words_hold_no_markup_links_or_controls(text: str) -> None:
    said = harmless(text)
    assert not set(said) & set("<>`@#*~|")
    assert "://" not in said
    assert "](" not in said
    assert len(said.splitlines()) <= 1
    assert not any(unicodedata.category(one) == "Cc" for one in said)
