"""Rules that a home holds beside those that come with Hauberk: installed trees, kept by name."""

import hashlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from hauberk.detect.sigma import (
    Refusal,
    RuleSet,
    built_in_rules,
    load_placeholders,
    load_rules,
    rule_files,
)
from hauberk.errors import UsageError
from hauberk.store import Commit, Home

FOLDER = "rules"
"""Where a home keeps installed rules, a folder a tree."""

TAXONOMY = ("HAUBERK_TAXONOMY", "taxonomy.toml")
"""Variable that names a file of own log sources and fields, and the file's name in a home."""

PLACEHOLDERS = ("HAUBERK_PLACEHOLDERS", "placeholders.toml")
"""The same for the values of placeholders."""


def rule_cache() -> Path:
    """Where compiled rules are kept between scans."""
    return platformdirs.user_cache_path("hauberk")


def installed(home: Path) -> list[Path]:
    """Rule trees that were installed in the home, in order of their names."""
    folder = home / FOLDER
    if not folder.is_dir():
        return []
    return sorted(one for one in folder.iterdir() if one.is_dir() and not one.name.startswith("."))


def known_rules(home: Path | None, more: Sequence[Path] = ()) -> RuleSet:
    """Hauberk's own rules, those installed in the home, and those in `more`.

    They are read by the user's own taxonomy, and their placeholders filled in, where the home or
    the environment names them. Raises UsageError where one of these files cannot be used.
    """
    placeholders = _own(home, PLACEHOLDERS)
    return built_in_rules(
        rule_cache(),
        [*(installed(home) if home else ()), *more],
        placeholders=load_placeholders(placeholders) if placeholders else None,
        taxonomy=_own(home, TAXONOMY),
    )


def _own(home: Path | None, names: tuple[str, str]) -> Path | None:
    """A user's file: the one that the environment names, or else the one in the home."""
    variable, name = names
    given = os.environ.get(variable)
    if given:
        return Path(given)
    found = home / name if home else None
    return found if found is not None and found.is_file() else None


@dataclass(frozen=True, slots=True)
class RuleUpdate:
    """What an update changes: rule files by their path within the tree."""

    name: str
    added: Sequence[str]
    changed: Sequence[str]
    removed: Sequence[str]
    same: int
    rules: int
    refused: Sequence[Refusal]
    digest: str


def update_rules(home_path: Path, source: Path, name: str, *, dry_run: bool = False) -> RuleUpdate:
    """Put the tree `source` in the place of the one installed under `name`; the ledger is told.

    The old tree stays until the new one lies whole beside it; what cannot be compiled is installed
    too and refused again at each scan, for the next version of Hauberk may take it. Nothing is
    changed with `dry_run`.

    Raises UsageError where `source` holds no rule that compiles, or `name` is no plain name.
    """
    if not name.replace("-", "").replace("_", "").isalnum():
        raise UsageError(f"{name!r} is no name of a folder", hint="Use letters, digits, - and _")
    fresh = _tree(source)
    rules = load_rules([source], cache=rule_cache())
    if not rules.rules:
        raise UsageError("no rule here compiles", where=str(source))
    target = home_path / FOLDER / name
    before = _tree(target) if target.is_dir() else {}
    update = RuleUpdate(
        name,
        added=sorted(set(fresh) - set(before)),
        changed=sorted(one for one in fresh if one in before and fresh[one] != before[one]),
        removed=sorted(set(before) - set(fresh)),
        same=sum(before.get(one) == digest for one, digest in fresh.items()),
        rules=len(rules.rules),
        refused=rules.refusals,
        digest=hashlib.sha256(repr(sorted(fresh.items())).encode()).hexdigest(),
    )
    if dry_run or fresh == before:
        return update
    with Home.open(home_path) as home:
        _replace(source, list(fresh), target)
        home.commit(Commit(entries=[_entry(update)]))
    return update


def _tree(folder: Path) -> Mapping[str, str]:
    """Rule files and their SHA-256, samples included."""
    root = folder if folder.is_dir() else folder.parent
    files = [*rule_files([folder]), *(folder.rglob("*.samples.yml") if folder.is_dir() else ())]
    return {
        one.relative_to(root).as_posix(): _digest(one)
        for one in files
        if one.is_file() and not one.is_symlink()
    }


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _replace(source: Path, names: Sequence[str], target: Path) -> None:
    """Copy beside, then rename: a reader sees the old tree or the new one."""
    beside = target.with_name(f".{target.name}.new")
    old = target.with_name(f".{target.name}.old")
    for left in (beside, old):
        shutil.rmtree(left, ignore_errors=True)
    root = source if source.is_dir() else source.parent
    for name in names:
        path = beside / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, path)
    if target.exists():
        target.rename(old)
    beside.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _entry(update: RuleUpdate) -> Mapping[str, object]:
    return {
        "type": "rules.updated",
        "name": update.name,
        "sha256": update.digest,
        "rules": update.rules,
        "added": len(update.added),
        "changed": len(update.changed),
        "removed": len(update.removed),
        "refused": len(update.refused),
    }
