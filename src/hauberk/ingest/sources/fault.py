"""What can be wrong with an input, told in one sentence. It never leaves `sources` as an error."""

import lzma
import tarfile
import zipfile
import zlib

import zstandard


class Fault(Exception):  # noqa: N818  # it is a fault of the input, not of the program
    """An input, or the rest of it, cannot be read."""


READ_ERRORS = (
    Fault,
    OSError,
    EOFError,
    ValueError,
    RuntimeError,  # zipfile: encrypted members
    NotImplementedError,  # zipfile: unknown compression
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
    tarfile.TarError,
    zstandard.ZstdError,
)
"""What reading an attacker's file or archive may raise."""


def said(error: BaseException) -> str:
    """One sentence on what went wrong."""
    if isinstance(error, PermissionError):
        return "no permission to read it"
    if isinstance(error, FileNotFoundError):
        return "no such file or folder"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return str(error) or type(error).__name__
