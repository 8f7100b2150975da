"""Programs: what Sysmon says of a file that runs."""

import tomllib
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Program:
    """A program's file. `image` and `command` may hold `{home}`, the user's profile folder."""

    image: str
    command: str
    description: str = "-"
    company: str = "-"
    product: str = "-"
    version: str = "-"
    original: str = "-"
    loads: tuple[str, ...] = ()
    signed: bool = True


@cache
def program(name: str) -> Program:
    """The program of that name in programs.toml."""
    return _programs()[name]


@cache
def _programs() -> dict[str, Program]:
    text = files(__package__).joinpath("programs.toml").read_text("utf-8")
    found = {}
    for name, row in tomllib.loads(text).items():
        image = row["image"]
        company = row.get("company", "Microsoft Corporation")
        windows = company == "Microsoft Corporation" and "version" not in row
        found[name] = Program(
            image,
            row.get("command", f'"{image}"' if " " in image else image),
            row["description"],
            company,
            "Microsoft® Windows® Operating System" if windows else row["description"],
            row.get("version", "10.0.19041.4355"),
            row.get("original", image.rsplit("\\", 1)[1]),
            tuple(row.get("loads", ())),
        )
    return found


def unknown(image: str, command: str = "") -> Program:
    """A program that nobody signed and that says nothing about itself."""
    return Program(image, command or f'"{image}"', signed=False)


@cache
def hashes(image: str, version: str) -> str:
    """Hashes as Sysmon writes them; the same file has the same ones on every host."""
    name = f"{image.rsplit(chr(92), 1)[-1].lower()}/{version}".encode()
    md5 = blake2b(name, digest_size=16).hexdigest().upper()
    sha256 = blake2b(name, digest_size=32).hexdigest().upper()
    imphash = blake2b(name, digest_size=16, salt=b"imp").hexdigest().upper()
    return f"MD5={md5},SHA256={sha256},IMPHASH={imphash}"
