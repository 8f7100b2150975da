"""Bundles are OpenSSF ones: theirs verify here, ours verify there, changed ones nowhere."""

import base64
import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hauberk.errors import UsageError
from hauberk.governance import make_key
from hauberk.models import (
    Artifact,
    SignatureError,
    load_signing_key,
    make_signing_key,
    sign_files,
    verify_files,
)
from hauberk.models.signing import public_pem

made: dict[str, Any] = runpy.run_path(str(Path(__file__).with_name("making.py")))
tiny_model: Callable[..., Artifact] = made["tiny_model"]


@pytest.fixture
def key(tmp_path: Path) -> Path:
    make_signing_key(tmp_path / "key.pem")
    return tmp_path / "key.pem"


@pytest.fixture
def public(tmp_path: Path, key: Path) -> str:
    return public_pem(load_signing_key(key).public_key())


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return tiny_model(tmp_path / "tiny")


@pytest.fixture
def bundle(artifact: Artifact, key: Path) -> str:
    return sign_files(artifact.files, "tiny", load_signing_key(key))


def test_what_was_signed_verifies(artifact: Artifact, bundle: str, public: str) -> None:
    verify_files(bundle, artifact.files, public)


@pytest.mark.parametrize("name", ["weights.safetensors", "data.json", "report.json"])
def test_any_other_content_is_named(
    artifact: Artifact, bundle: str, public: str, name: str
) -> None:
    with pytest.raises(SignatureError, match=f"{name}: is not what was signed"):
        verify_files(bundle, {**artifact.files, name: "0" * 64}, public)


def test_a_file_more_or_less_is_named(artifact: Artifact, bundle: str, public: str) -> None:
    with pytest.raises(SignatureError, match=r"extra\.safetensors: is not covered"):
        verify_files(bundle, {**artifact.files, "extra.safetensors": "0" * 64}, public)
    fewer = {name: digest for name, digest in artifact.files.items() if name != "report.json"}
    with pytest.raises(SignatureError, match=r"report\.json: was signed and is not there"):
        verify_files(bundle, fewer, public)


def test_another_key_does_not_verify(artifact: Artifact, bundle: str, tmp_path: Path) -> None:
    other = make_signing_key(tmp_path / "other.pem")
    with pytest.raises(SignatureError, match="not of this key"):
        verify_files(bundle, artifact.files, other)


def test_a_changed_statement_does_not_verify(artifact: Artifact, bundle: str, public: str) -> None:
    parsed = json.loads(bundle)
    payload = base64.b64decode(parsed["dsseEnvelope"]["payload"])
    payload = payload.replace(artifact.files["report.json"].encode(), b"0" * 64)
    parsed["dsseEnvelope"]["payload"] = base64.b64encode(payload).decode()
    with pytest.raises(SignatureError):
        verify_files(json.dumps(parsed), {**artifact.files, "report.json": "0" * 64}, public)


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"mediaType": 1}', "{" * 5000])
def test_no_text_makes_verification_fail_otherwise(
    artifact: Artifact, public: str, text: str
) -> None:
    with pytest.raises(SignatureError):
        verify_files(text, artifact.files, public)


def test_the_library_verifies_what_we_sign(
    artifact: Artifact, bundle: str, public: str, tmp_path: Path
) -> None:
    library = pytest.importorskip("model_signing")
    (artifact.folder / "model.sig").write_text(bundle)
    pub = tmp_path / "key.pub"
    pub.write_text(public)
    config = library.verifying.Config().use_elliptic_key_verifier(public_key=pub)
    config.verify(artifact.folder, artifact.folder / "model.sig")
    (artifact.folder / "card.md").write_text("# another\n")
    with pytest.raises(ValueError, match=r"card\.md"):
        config.verify(artifact.folder, artifact.folder / "model.sig")


def test_we_verify_what_the_library_signs(
    artifact: Artifact, key: Path, public: str, tmp_path: Path
) -> None:
    library = pytest.importorskip("model_signing")
    target = tmp_path / "theirs.sig"
    hashing = library.hashing.Config().set_ignored_paths(paths=["model.sig"])
    config = library.signing.Config().use_elliptic_key_signer(private_key=key)
    config.set_hashing_config(hashing).sign(artifact.folder, target)
    verify_files(target.read_text(), artifact.files, public)


def test_a_key_that_cannot_sign_models_is_told(tmp_path: Path) -> None:
    make_key("ana", tmp_path / "ana.pem")
    with pytest.raises(UsageError, match="cannot sign models"):
        load_signing_key(tmp_path / "ana.pem")


def test_an_encrypted_key_opens_with_its_passphrase_alone(tmp_path: Path) -> None:
    path = tmp_path / "locked.pem"
    make_signing_key(path, "a long passphrase")
    assert b"ENCRYPTED" in path.read_bytes()
    load_signing_key(path, "a long passphrase")
    with pytest.raises(UsageError):
        load_signing_key(path)
