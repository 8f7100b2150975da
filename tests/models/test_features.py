"""Features of hostile and ordinary input."""

import importlib.util

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.models.features import DomainFeatures, ExecutableFeatures, MailFeatures, UrlFeatures
from hauberk.models.features.characters import CharacterModel
from hauberk.models.features.domain import NAMES, common_pieces, padded_labels, registered
from hauberk.models.features.executable import COLUMNS, ember_row, executable_row
from hauberk.models.features.hashing import hashed_grams, pack, text_pieces
from hauberk.models.features.mail import Mail, cleaned, read_mail
from hauberk.models.features.url import host_of
from hauberk.models.features.words import Vocabulary, read_as_words

TEXTS = st.lists(st.text(max_size=60), max_size=8)


@given(TEXTS)
@settings(max_examples=60, deadline=None)
def test_grams_of_a_text_do_not_depend_on_its_neighbours(texts):
    together = hashed_grams(pack(texts, 1000), (2, 3), 12)
    for row, text in enumerate(texts):
        alone = hashed_grams(pack([text], 1000), (2, 3), 12)
        span = slice(together.starts[row], together.starts[row + 1])
        assert together.columns[span].tolist() == alone.columns.tolist()
        assert set(alone.columns.tolist()) == set(text_pieces(text, (2, 3), 12))


def test_the_registered_label_is_found_below_second_level_suffixes():
    names = ["a.b.example.co.uk", "Example.COM.", "localhost", "", "co.uk", "x.com.br"]
    assert registered(names)["label"].to_list() == [
        "example",
        "example",
        "localhost",
        "",
        "co",
        "x",
    ]


@given(TEXTS)
@settings(max_examples=40, deadline=None)
def test_any_text_is_a_finite_row_for_names_urls_and_mails(texts):
    domain = DomainFeatures(
        CharacterModel.learn(padded_labels(["example", "weather"])),
        Vocabulary.of_counts({"news": 5, "paper": 7}, 1),
        10,
    )
    mails = [Mail(text, text, text, text) for text in texts]
    url, mail = UrlFeatures(10), MailFeatures(("text", "sender"), 10)
    for columns, matrix in (
        (domain.names, domain.extract(texts)),
        (url.names, url.extract(texts)),
        (mail.names, mail.extract(mails)),
    ):
        assert matrix.dense.shape == (len(texts), len(columns))
        assert np.isfinite(matrix.dense).all()
        assert matrix.sparse is not None
        assert matrix.sparse.height == len(texts)


def test_names_of_many_words_are_read_as_words_and_random_letters_are_not():
    vocabulary = Vocabulary.of_counts({"plate": 9, "water": 9, "miss": 9}, 1)
    padded = padded_labels(["platewatermiss", "qxzvkjwpbn"])
    found = read_as_words(padded, (padded > 0).sum(axis=1), vocabulary)
    assert found.words.tolist() == [3.0, 0.0]
    assert found.covered.tolist() == [14.0, 0.0]
    assert found.bits[0] < found.bits[1]


def test_a_mail_loses_its_recipient_list_tags_quotes_and_digits():
    mail = Mail(
        "Re: [some-list] Account of collector",
        "Dear collector@corpus.example, pay 4711\n> quoted line\ncorpus.example rules",
        "Bank <x@bank.example>",
        "collector@corpus.example",
    )
    subject, text = cleaned(mail)
    assert subject == "account of"
    assert text == "dear , pay 0 rules"


def test_look_alike_letters_and_invisible_characters_change_nothing():
    plain = cleaned(Mail("verify account", "your password expires", "a@b.example"))
    disguised = Mail("v\u0435rify acc\u200bount", "y\u043eur passw\u043erd expires", "a@b.example")
    assert cleaned(disguised) == plain


@given(st.binary(max_size=400))
@settings(max_examples=80, deadline=None)
def test_any_bytes_are_a_mail(data):
    assert isinstance(read_mail(data), Mail)


def test_deeply_nested_and_huge_mails_are_bounded():
    part = b"Content-Type: multipart/mixed; boundary=x\n\n--x\n"
    assert isinstance(read_mail(part * 3000), Mail)
    assert len(read_mail(b"Subject: x\n\n" + b"a" * 3_000_000).text) <= 20_000


def test_html_mails_give_the_visible_text_and_their_links():
    data = (b"From: A <a@b.example>\nContent-Type: text/html\n\n"
            b"<style>p{}</style><p>Hello</p><a href='http://evil.example/x'>here</a>")  # fmt: skip
    mail = read_mail(data)
    assert "p{}" not in mail.text
    assert "Hello" in mail.text
    assert mail.links == ("http://evil.example/x",)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://user:pw@example.org:8443/path?x=1", "example.org"),
        ("HTTP://WWW.Example.org", "example.org"),
        ("", ""),
        ("//", ""),
    ],
)
def test_hosts_are_found_in_odd_urls(url, host):
    assert host_of(url) == host


def test_rows_of_executables_with_missing_or_infinite_numbers_stay_finite():
    matrix = ExecutableFeatures().extract([(float("nan"), float("inf")), (1.0,) * 500, ()])
    assert np.isfinite(matrix.dense).all()
    assert matrix.dense.shape == (3, len(COLUMNS))


@pytest.mark.skipif(importlib.util.find_spec("pefile") is None, reason="pefile is not installed")
def test_bytes_that_are_no_executable_give_no_row():
    assert executable_row(b"MZ" + b"\0" * 100) is None
    assert executable_row(b"") is None


def test_lines_of_ember_features_are_addressed_by_group_and_index():
    line = {"general": {"size": 9}, "histogram": [4, 5], "section": {"sections": [1, 2, 3]}}
    wanted = ("general.size", "histogram.1", "section.sections", "histogram.9", "no.such")
    assert ember_row(line, wanted) == (9.0, 5.0, 3.0, -1.0, -1.0)


@given(st.text(max_size=200), st.text(max_size=40))
@settings(max_examples=60, deadline=None)
def test_every_bucket_of_a_mail_and_a_url_has_its_piece_of_text(text, subject):
    mail = Mail(subject, text, "a@b.example")
    features = MailFeatures(("text",), 10)
    rows = features.extract([mail]).sparse
    assert rows is not None
    assert set(rows.columns.tolist()) == set(features.pieces(mail))
    urls = UrlFeatures(10).extract([text]).sparse
    assert urls is not None
    assert set(urls.columns.tolist()) == set(UrlFeatures(10).pieces(text))


def test_a_pair_of_words_is_named_in_the_order_of_the_text():
    pieces = MailFeatures(("text",), 16).pieces(Mail("verify", "your account now", "a@b.example"))
    words = {piece for found in pieces.values() for piece in found}
    assert {"verify", "your account", "account now"} <= words


def test_a_model_of_the_first_version_of_name_features_is_still_read() -> None:
    labels = ["example", "weather", "library", "gardenmarket"]
    fresh = DomainFeatures(
        CharacterModel.learn(padded_labels(labels)),
        Vocabulary.of_counts({"garden": 9, "market": 9}, 4),
        0,
        Vocabulary.of_counts(common_pieces(labels * 6), 6),
    )
    arrays = dict(fresh.learned().arrays)
    old = {name: one for name, one in arrays.items() if not name.startswith("pieces")}
    former = NAMES[: NAMES.index("word_saving") + 1]
    schema = {"kind": "domain", "version": 1, "names": list(former), "gram_bits": 0}
    read = DomainFeatures.load(schema, old)
    records = ["www.gardenmarket.com", "xkqzv.net", ""]
    wide = fresh.extract(records).dense
    assert read.names == former
    assert np.array_equal(read.extract(records).dense, wide[:, : len(former)])
    again = DomainFeatures.load(fresh.learned().schema, arrays).extract(records).dense
    assert np.array_equal(again, wide)
    assert wide[0, NAMES.index("piece_cover")] > wide[1, NAMES.index("piece_cover")]


def test_a_piece_that_few_names_share_is_not_kept() -> None:
    assert "zzyzx" not in common_pieces(["zzyzx"] * 5 + ["weather"] * 6)
    assert common_pieces(["weather"] * 6)["weather"] == 6
