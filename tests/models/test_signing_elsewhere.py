"""Signatures made elsewhere: by a key that never leaves its token, by an identity."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hauberk.errors import RefusedError, UsageError
from hauberk.models import (
    Refusal,
    SignatureError,
    Stage,
    Task,
    add_signature,
    load,
    make_signing_key,
    read_registry,
    sign_with_pkcs11,
    sign_with_sigstore,
    trust_key,
    verify_files,
    vote,
)
from hauberk.models.signing import key_hint, key_of_pem, verify_identity
from hauberk.models.storage import signature_folder

MODULES = [
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so"),
    Path("/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so"),
]
PIN = "271828"


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A token of SoftHSM2 with a P-256 key: its URI, and the key's public half."""
    pytest.importorskip("PyKCS11", reason="PyKCS11 (extra models) is not installed")
    tool = shutil.which("softhsm2-util")
    module = next((one for one in MODULES if one.exists()), None)
    if tool is None or module is None:
        pytest.skip("SoftHSM2 is not installed (Debian: apt-get install softhsm2)")
    tokens, config = tmp_path / "tokens", tmp_path / "softhsm2.conf"
    tokens.mkdir()
    config.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(config))
    public = make_signing_key(tmp_path / "key.pem")

    def run(*arguments: str) -> None:
        subprocess.run([tool, *arguments], check=True, capture_output=True, env=dict(os.environ))

    pins = ("--pin", PIN)
    run("--init-token", "--free", "--label", "models", "--so-pin", "314159", *pins)
    run("--import", str(tmp_path / "key.pem"), "--token", "models", "--label", "signing",
        "--id", "a1", *pins)  # fmt: skip
    (tmp_path / "key.pem").unlink()
    return (
        f"pkcs11:token=models;object=signing?pin-value={PIN}&module-path={module}",
        public,
    )


def test_a_tokens_signature_is_verified_like_any_keys(office: Any, token: tuple[str, str]) -> None:
    uri, public = token
    trust_key(office.home, office.keys["sam"], holder="ada", public=public)
    version = office.candidate()
    with signature_folder(office.home, version) as copy:
        bundle = sign_with_pkcs11(copy, uri)
    assert key_hint(bundle) == key_of_pem(public)
    verify_files(bundle, version.files, public)
    add_signature(office.home, version, bundle)
    for name in ("sam", "pia", "lea"):
        vote(office.home, office.keys[name], office.version(version.artifact), approve=True)
    office.raised(office.version(version.artifact), Stage.LIVE)
    found = load(office.home, Task.DOMAIN)
    assert not isinstance(found, Refusal)
    assert found.signed_by.holder == "ada"


def test_a_token_that_nobody_trusts_signs_nothing_here(office: Any, token: tuple[str, str]) -> None:
    version = office.candidate()
    with signature_folder(office.home, version) as copy:
        bundle = sign_with_pkcs11(copy, token[0])
    with pytest.raises(RefusedError):
        add_signature(office.home, version, bundle)
    assert office.version(version.artifact).bundles == []


def test_a_wrong_pin_is_told_and_leaves_nothing(office: Any, token: tuple[str, str]) -> None:
    version = office.candidate()
    uri = token[0].replace(PIN, "000000")
    with (
        signature_folder(office.home, version) as copy,
        pytest.raises(UsageError, match="could not be signed"),
    ):
        sign_with_pkcs11(copy, uri)


IDENTITY, ISSUER = "ada@example.org", "https://accounts.example.org"


def test_sigstore_without_its_service_is_told_and_not_taken_for_signed(office: Any) -> None:
    pytest.importorskip("model_signing")
    version = office.candidate()
    missing = office.folder / "no-such-config.json"
    with (
        signature_folder(office.home, version) as copy,
        pytest.raises(UsageError, match="could not be signed"),
    ):
        sign_with_sigstore(copy, trust_config=missing)
    assert office.version(version.artifact).bundles == []


def test_a_keys_bundle_is_no_identitys(office: Any) -> None:
    pytest.importorskip("model_signing")
    version = office.signed()
    bundle = version.bundles[-1].text
    with signature_folder(office.home, version) as copy:
        (copy / "model.sig").write_text(bundle)
        with pytest.raises(SignatureError, match="does not hold"):
            verify_identity(copy, bundle, IDENTITY, ISSUER, "{}")


def test_an_identitys_bundle_is_verified_before_it_is_entered_with_the_trust_root_of_the_ledger(
    office: Any,
) -> None:
    pytest.importorskip("model_signing")
    trust_key(
        office.home, office.keys["sam"], holder="ada", identity=IDENTITY, issuer=ISSUER,
        trust_root='{"mediaType": "of no Sigstore"}',
    )  # fmt: skip
    known = read_registry(office.home).keys[f"{ISSUER}#{IDENTITY}"]
    assert known.trust_root == '{"mediaType": "of no Sigstore"}'
    version = office.signed()
    forged = version.bundles[-1].text.replace('"hint"', '"other"')
    with pytest.raises(SignatureError, match="does not hold"):
        add_signature(office.home, version, forged, known.uid)
    assert len(office.version(version.artifact).bundles) == 1
