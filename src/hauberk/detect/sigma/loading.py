"""Rule files into a rule set, from the disk cache where nothing has changed."""

import hashlib
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata, resources
from pathlib import Path

from .program import PROGRAM_VERSION, Refusal, Rule, RuleSet, encode, read_program
from .reading import UnreadableDocumentError, documents, read_bounded, rule_files


def load_rules(
    paths: Sequence[Path],
    *,
    cache: Path | None = None,
    placeholders: Mapping[str, tuple[str, ...]] | None = None,
) -> RuleSet:
    """Compile every rule file in `paths` (files, or folders searched through).

    What cannot be compiled is in `refusals`; it costs no other rule anything. With `cache` (a
    folder, made when missing) the compiled set is kept under the digest of the files' bytes and
    found there next time.
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
            return known
    compiled = _compile(contents, refusals, placeholders or {}, digest)
    if stored is not None:
        _keep(stored, encode(compiled))
    return compiled


def built_in_rules(cache: Path | None = None, more: Sequence[Path] = ()) -> RuleSet:
    """The rules that come with Hauberk, and those in `more` (files or folders)."""
    with resources.as_file(resources.files(__package__).joinpath("rules")) as folder:
        return load_rules([folder, *more], cache=cache)


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
    from .translate import RefusedRuleError, Translator  # noqa: PLC0415

    translator = Translator(placeholders)
    rules: list[Rule] = []
    seen: dict[str, str] = {}
    for path, data in contents:
        try:
            for document in documents(data):
                if document.content is None:
                    continue
                uid = _uid(document.content)
                line = document.lines.get("detection", document.line)
                try:
                    rule = translator.translate(document.content, path, document.line)
                except RefusedRuleError as fault:
                    refusals.append(Refusal(path, line, uid, str(fault)))
                    continue
                if rule.uid in seen:
                    reason = f"has the id of another rule, in {seen[rule.uid]}"
                    refusals.append(Refusal(path, document.line, uid, reason))
                    continue
                seen[rule.uid] = path
                rules.append(rule)
        except UnreadableDocumentError as fault:
            refusals.append(Refusal(path, fault.line, "", str(fault)))
    return RuleSet(tuple(rules), tuple(translator.atoms), tuple(refusals), digest)


def _uid(content: object) -> str:
    uid = content.get("id") if isinstance(content, dict) else None
    return str(uid)[:100] if uid is not None else ""


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
