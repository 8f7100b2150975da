"""Signatures of models: OpenSSF model-signing bundles over every file of the folder together.

A bundle is a DSSE envelope in a Sigstore bundle; its payload is an in-toto statement that lists
each file with its SHA-256. Bundles that a key signed are made and verified with `cryptography`
alone, so that a model can be verified where nothing else is installed; Sigstore identities and
PKCS#11 tokens go through the `model-signing` library (extra `models`).
See docs/decisions/0006-model-signatures.md.

Source: OpenSSF model-signing 1.0, predicate https://model_signing/signature/v1.0; DSSE 1.0.
"""

import base64
import binascii
import hashlib
import importlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from hauberk.errors import RefusedError, UsageError
from hauberk.governance import read_private, write_private

from .documents import SIGNATURE

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"
MAX_BUNDLE = 4 << 20

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


class SignatureError(RefusedError):
    """A model's signature that does not hold, and in what."""


def public_pem(key: ec.EllipticCurvePublicKey) -> str:
    """A public key as PEM, which its id is computed of."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def key_of_pem(pem: str) -> str:
    """A signing key's id: SHA-256 of its PEM, as bundles hint at it."""
    return hashlib.sha256(pem.encode()).hexdigest()


def make_signing_key(path: Path, passphrase: str | None = None) -> str:
    """Make a P-256 key in a new file (0600); its public half as PEM. Raises UsageError."""
    key = ec.generate_private_key(ec.SECP256R1())
    lock = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock))
    return public_pem(key.public_key())


def load_signing_key(path: Path, passphrase: str | None = None) -> ec.EllipticCurvePrivateKey:
    """Read a signing key. Raises UsageError."""
    try:
        key = load_pem_private_key(read_private(path), passphrase.encode() if passphrase else None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(f"this is no key that can be opened: {error}", where=str(path)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name not in _HASHES:
        raise UsageError(
            "this key cannot sign models", where=str(path), hint="Expected P-256, P-384 or P-521"
        )
    return key


def read_signing_public(pem: str) -> ec.EllipticCurvePublicKey:
    """Read a public signing key. Raises UsageError."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(f"this is no public key: {error}") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _HASHES:
        raise UsageError("this is no key that signs models", hint="Expected P-256, P-384 or P-521")
    return key


def sign_files(files: Mapping[str, str], name: str, key: ec.EllipticCurvePrivateKey) -> str:
    """The bundle over files (SHA-256 by name, without the signature), as JSON text."""
    payload = json.dumps(_statement(files, name)).encode()
    signature = key.sign(_pae(payload), ec.ECDSA(_HASHES[key.curve.name]))
    bundle = {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {
            "publicKey": {"hint": key_of_pem(public_pem(key.public_key()))},
            "tlogEntries": [],
        },
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
        },
    }
    return json.dumps(bundle)


def _statement(files: Mapping[str, str], name: str) -> dict[str, object]:
    ordered = sorted(files.items())
    root = hashlib.sha256(b"".join(bytes.fromhex(digest) for _, digest in ordered)).hexdigest()
    return {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": root}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [SIGNATURE],
            },
            "resources": [
                {"name": file, "algorithm": "sha256", "digest": digest} for file, digest in ordered
            ],
        },
    }


def _pae(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is really signed."""
    return b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)


def key_hint(bundle: str) -> str | None:
    """The id of the key that a bundle says it was signed with; None for a Sigstore identity."""
    material = _parsed(bundle).get("verificationMaterial")
    key = material.get("publicKey") if isinstance(material, dict) else None
    hint = key.get("hint") if isinstance(key, dict) else None
    return hint if isinstance(hint, str) else None


def verify_files(bundle: str, files: Mapping[str, str], pem: str) -> None:
    """Verify that this key signed exactly these files. Raises SignatureError naming the file."""
    parsed = _parsed(bundle)
    key = read_signing_public(pem)
    try:
        if parsed["mediaType"] != MEDIA_TYPE:
            raise SignatureError(f"the bundle is of type {parsed['mediaType']}", where=SIGNATURE)
        envelope = parsed["dsseEnvelope"]
        if envelope["payloadType"] != PAYLOAD_TYPE or len(envelope["signatures"]) != 1:
            raise SignatureError("the bundle holds no in-toto statement signed once",
                                 where=SIGNATURE)  # fmt: skip
        payload = base64.b64decode(envelope["payload"], validate=True)
        signature = base64.b64decode(envelope["signatures"][0]["sig"], validate=True)
        key.verify(signature, _pae(payload), ec.ECDSA(_HASHES[key.curve.name]))
        signed = _resources(json.loads(payload))
    except InvalidSignature:
        raise SignatureError(
            "the signature is not of this key over this statement", where=SIGNATURE
        ) from None
    except (KeyError, TypeError, ValueError, IndexError, binascii.Error) as error:
        raise SignatureError(f"the bundle cannot be read: {error!r}", where=SIGNATURE) from error
    for name in sorted(signed.keys() | files.keys()):
        if name not in files:
            raise SignatureError("was signed and is not there", where=name)
        if name not in signed:
            raise SignatureError("is not covered by the signature", where=name)
        if signed[name] != files[name]:
            raise SignatureError(
                f"is not what was signed: expected SHA-256 {signed[name]}, found {files[name]}",
                where=name,
            )


def _parsed(bundle: str) -> dict[str, Any]:
    try:
        if len(bundle) > MAX_BUNDLE:
            raise ValueError("it is too large")
        parsed = json.loads(bundle)
    except (ValueError, RecursionError) as error:
        raise SignatureError(f"this is no signature bundle: {error}", where=SIGNATURE) from error
    if not isinstance(parsed, dict):
        raise SignatureError("this is no signature bundle", where=SIGNATURE)
    return parsed


def _resources(statement: Any) -> dict[str, str]:
    """SHA-256 by file name of a signed statement, whose own sum must add up."""
    predicate = statement["predicate"]
    if statement["_type"] != STATEMENT_TYPE or statement["predicateType"] != PREDICATE_TYPE:
        raise ValueError(f"the statement is a {statement['predicateType']}")
    if predicate["serialization"]["method"] != "files":
        raise ValueError("files were signed in shards, which is not read here")
    found: dict[str, str] = {}
    for one in predicate["resources"]:
        if one["algorithm"] != "sha256" or one["name"] in found:
            raise ValueError(f"the file {one['name']} is not listed once with its SHA-256")
        found[one["name"]] = one["digest"]
    root = hashlib.sha256(b"".join(bytes.fromhex(one["digest"]) for one in predicate["resources"]))
    if [subject["digest"]["sha256"] for subject in statement["subject"]] != [root.hexdigest()]:
        raise ValueError("the statement's digest is not that of its files")
    return found


def _library() -> Any:
    """The model-signing library. Raises UsageError where it is not installed."""
    try:
        return importlib.import_module("model_signing")
    except ImportError as error:
        raise UsageError(
            f"this way to sign needs a part that is not installed ({error.name})",
            hint="Install hauberk[models]",
        ) from error


def sign_with_sigstore(folder: Path, **options: Any) -> str:
    """A bundle signed with a Sigstore identity; `options` go to the library as they are.

    Needs a network, unless `trust_config` names an instance of your own.
    """
    return _signed_by_library(folder, "use_sigstore_signer", options)


def sign_with_pkcs11(folder: Path, uri: str, modules: tuple[str, ...] = ()) -> str:
    """A bundle signed with a key of a PKCS#11 token; verified like any key's.

    `uri` (RFC 7512) names token and object, and the module by `module-path`, or by `module-name`
    in one of the folders `modules`. Raises UsageError, also where the token refuses.
    """
    options = {"pkcs11_uri": uri, "module_paths": list(modules)}
    return _signed_by_library(folder, "use_pkcs11_signer", options)


def _signed_by_library(folder: Path, way: str, options: Mapping[str, Any]) -> str:
    library = _library()
    hashing = library.hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)
    target = folder / SIGNATURE
    try:
        config = getattr(library.signing.Config(), way)(**options).set_hashing_config(hashing)
        config.sign(folder, target)
    except Exception as error:
        raise UsageError(
            f"the model could not be signed: {str(error) or type(error).__name__}",
            where=str(folder),
        ) from error
    return target.read_text("utf-8")


def verify_identity(
    folder: Path, bundle: str, identity: str, issuer: str, trust_root: str = ""
) -> None:
    """Verify that a Sigstore identity signed this folder. Raises SignatureError or UsageError.

    `trust_root` is a Sigstore client's trust configuration (JSON): with it nothing is fetched;
    without it the library asks the public instance's.
    """
    library = _library()
    path = folder / SIGNATURE
    if not path.exists() or path.read_text("utf-8") != bundle:
        raise SignatureError("is not the bundle that the ledger holds", where=SIGNATURE)
    hashing = library.hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)
    with tempfile.TemporaryDirectory() as scratch:
        trust = Path(scratch) / "trust.json" if trust_root else None
        if trust is not None:
            trust.write_text(trust_root, "utf-8")
        try:
            config = library.verifying.Config().use_sigstore_verifier(
                identity=identity, oidc_issuer=issuer, trust_config=trust
            )
            config.set_hashing_config(hashing).verify(folder, path)
        except Exception as error:
            raise SignatureError(
                f"the identity's signature does not hold: {str(error) or type(error).__name__}",
                where=SIGNATURE,
            ) from error
