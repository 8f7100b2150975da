"""Checkpoints are signed notes, and nothing else passes for one."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hauberk.store.signing import Checkpoint, Signer, Verifier, load_verifier, make_keys

ORIGIN = "hauberk.home/0123456789abcdef"
CHECKPOINT = Checkpoint(ORIGIN, 42, bytes(range(32)))


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return make_keys(tmp_path_factory.mktemp("keys"), ORIGIN)


def test_a_note_opens_to_the_checkpoint_that_was_signed(signer: Signer) -> None:
    note = signer.sign(CHECKPOINT)
    assert signer.verifier.open(note) == CHECKPOINT
    origin, size, root, empty, signature, end = note.split("\n")
    assert (origin, size, empty, end) == (ORIGIN, "42", "", "")
    assert root == "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    assert signature.startswith(f"— {ORIGIN} ")


def test_a_public_key_is_read_as_it_was_written(tmp_path: Path) -> None:
    signer = make_keys(tmp_path, ORIGIN)
    assert load_verifier(tmp_path) == signer.verifier
    assert Verifier.parse(signer.verifier.text) == signer.verifier


def test_another_key_does_not_pass(signer: Signer, tmp_path: Path) -> None:
    other = make_keys(tmp_path, ORIGIN)
    with pytest.raises(ValueError, match="signature"):
        signer.verifier.open(other.sign(CHECKPOINT))


@given(st.data())
def test_no_changed_character_passes(signer: Signer, data: st.DataObject) -> None:
    note = signer.sign(CHECKPOINT)
    at = data.draw(st.integers(0, len(note) - 2))
    other = data.draw(st.sampled_from("A0b/=+ \n—"))
    changed = note[:at] + other + note[at + 1 :]
    if changed != note:
        with pytest.raises(ValueError, match=r"note|signature|base64"):
            signer.verifier.open(changed)


@given(st.text(max_size=80))
def test_no_other_text_is_a_key_or_a_note(signer: Signer, text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Verifier.parse(text)
    with pytest.raises(ValueError, match=r".+"):
        signer.verifier.open(text)
