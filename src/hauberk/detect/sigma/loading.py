"""Rule files into a rule set, from the disk cache where nothing has changed."""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import metadata, resources
from pathlib import Path

from .program import PROGRAM_VERSION, Refusal, RuleSet, encode, read_program
from .reading import UnreadableDocumentError, read_bounded, rule_files


def load_rules(
    paths: Sequence[Path],
    *,
    cache: Path | None = None,
    placeholders: Mapping[str, tuple[str, ...]] | None = None,
    taxonomy: Path | None = None,
) -> RuleSet:
    """Compile every rule file in `paths` (files, or folders searched through).

    A file may hold rules, correlations and filters, several of each; filters and correlations reach
    across files. `placeholders` are values for `|expand`. What cannot be compiled is in `refusals`;
    it costs no other rule anything. With `cache` (a folder, made when missing) the compiled set is
    kept under the digest of the files' bytes and found there next time. `taxonomy` is a file of
    own log sources and field names that the rules are read by.
    """
    contents: list[tuple[str, bytes]] = []
    refusals: list[Refusal] = []
    for path in rule_files(paths):
        try:
            contents.append((str(path), read_bounded(path)))
        except UnreadableDocumentError as fault:
            refusals.append(Refusal(str(path), fault.line, "", str(fault)))
        except OSError as fault:
            refusals.append(Refusal(str(path), 1, "", fault.strerror or str(fault)))
    digest = _digest(contents, refusals, placeholders or {})
    stored = cache / f"sigma-{digest}.json" if cache else None
    if stored is not None:
        known = read_program(stored, digest)
        if known is not None:
            return replace(known, taxonomy=taxonomy)
    compiled = _compile(contents, refusals, placeholders or {}, digest)
    if stored is not None:
        _keep(stored, encode(compiled))
    return replace(compiled, taxonomy=taxonomy)


def built_in_rules(
    cache: Path | None = None,
    more: Sequence[Path] = (),
    *,
    placeholders: Mapping[str, tuple[str, ...]] | None = None,
    taxonomy: Path | None = None,
) -> RuleSet:
    """The rules that come with Hauberk, and those in `more` (files or folders)."""
    with resources.as_file(resources.files(__package__).joinpath("rules")) as folder:
        return load_rules(
            [folder, *more], cache=cache, placeholders=placeholders, taxonomy=taxonomy
        )


def _digest(
    contents: Sequence[tuple[str, bytes]],
    refusals: Iterable[Refusal],
    placeholders: Mapping[str, tuple[str, ...]],
) -> str:
    digest = hashlib.blake2b(digest_size=16)
    parser = f"{PROGRAM_VERSION} {metadata.version('pysigma')} {metadata.version('google-re2')}"
    digest.update(repr((parser, sorted(placeholders.items()), list(refusals))).encode())
    for path, data in contents:
        digest.update(f"\0{path}\0{len(data)}\0".encode("utf-8", "surrogateescape"))
        digest.update(data)
    return digest.hexdigest()


def _compile(
    contents: Sequence[tuple[str, bytes]],
    refusals: list[Refusal],
    placeholders: Mapping[str, tuple[str, ...]],
    digest: str,
) -> RuleSet:
    # pySigma takes longer to import than a stored rule set takes to load.
    from .compiling import compile_rules  # noqa: PLC0415

    return compile_rules(contents, refusals, placeholders, digest)


def _keep(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; a cache that cannot be written is no fault."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".sigma-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except OSError:
        return
