"""What `hauberk verify` checks of models: every signature, right, gate and grant, and every file.

The ledger's own check says that entries are what was appended. This says that they were founded:
each statement's signatures are verified again, offline, in the order of the ledger.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from hauberk.errors import HauberkError
from hauberk.store import Fault, FaultKind, Home, VerifyReport

from .documents import SIGNATURE
from .reading import ArtifactError
from .registry import Registry, read_registry
from .signing import SignatureError, verify_files
from .storage import folder_of


def verify_models(path: Path, report: VerifyReport) -> VerifyReport:
    """The report with what is wrong of people, policy, votes, signatures and artifacts.

    A home whose ledger is damaged is told so by the report already, and by nothing further.
    """
    try:
        with Home.open(path, read_only=True) as home:
            registry = read_registry(home)
    except HauberkError as error:
        if report.faults:
            return report
        fault = Fault(FaultKind.UNREADABLE, error.where or "ledger", "a ledger", error.what)
        return replace(report, faults=(fault,))
    faults = [
        Fault(
            FaultKind.SIGNATURE,
            f"ledger entry {fault.position} ({fault.type})",
            "a statement covered by its signatures and their rights",
            fault.reason,
        )
        for fault in registry.faults
    ]
    votes = 0
    for version in registry.versions.values():
        votes += len(version.votes)
        faults += _files(path, version.artifact, version.files)
        faults += _signatures(path, registry, version.artifact)
    if not registry.authority.people and not registry.versions:
        return report
    counts = {
        **report.counts,
        "persons": len(registry.authority.people),
        "models": len(registry.versions),
        "votes": votes,
    }
    return replace(report, faults=(*report.faults, *faults), counts=counts)


def _files(home: Path, artifact: str, wanted: Mapping[str, str]) -> list[Fault]:
    """Files of an artifact that are not what was registered."""
    folder = folder_of(home, artifact)
    found = []
    present = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    for name, digest in wanted.items():
        where = f"models/{artifact[:12]}/{name}"
        path = folder / name
        if name not in present or path.is_symlink() or not path.is_file():
            found.append(Fault(FaultKind.MISSING, where, f"sha256 {digest}", "no file"))
            continue
        with path.open("rb") as file:
            now = hashlib.file_digest(file, "sha256").hexdigest()
        if now != digest:
            found.append(Fault(FaultKind.CHANGED, where, f"sha256 {digest}", now))
    found += [
        Fault(FaultKind.ADDED, f"models/{artifact[:12]}/{name}", "no such file", "a file")
        for name in sorted(present - wanted.keys() - {SIGNATURE})
    ]
    return found


def _signatures(home: Path, registry: Registry, artifact: str) -> list[Fault]:
    """Bundles that do not hold, and a `model.sig` that is none of them."""
    version = registry.versions[artifact]
    found = []
    for bundle in version.bundles:
        key = registry.keys.get(bundle.key)
        try:
            if key is None:
                raise SignatureError("its key is not trusted here", where=SIGNATURE)
            if key.public_key:
                verify_files(bundle.text, version.files, key.public_key)
        except (SignatureError, ArtifactError) as error:
            where = f"ledger entry {bundle.position} (model.signed)"
            found.append(Fault(FaultKind.SIGNATURE, where, "a bundle that holds", str(error)))
    copy = folder_of(home, artifact) / SIGNATURE
    if copy.is_file():
        text = copy.read_text("utf-8", errors="replace")
        if text not in {bundle.text for bundle in version.bundles}:
            where = f"models/{artifact[:12]}/{SIGNATURE}"
            found.append(Fault(FaultKind.SIGNATURE, where, "a bundle of the ledger", "another"))
    return found
