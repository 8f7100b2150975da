"""Request bodies: read within bounds of size and time, and unpacked within bounds."""

import asyncio
import io
import zlib

import zstandard
from starlette.requests import Request

MAX_BODY = 8 << 20
"""Bytes of a body as it is sent."""

MAX_UNPACKED = 32 << 20
"""Bytes of a body once it is unpacked."""

BODY_SECONDS = 30.0
"""Longest that a body may take to come."""


class BodyError(Exception):
    """A body that is not taken: the HTTP status and a sentence that says why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.why = why


async def read_body(request: Request) -> bytes:
    """The body as it was sent. Raises BodyError (408, 413)."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared[:20]) > MAX_BODY:
        raise BodyError(413, f"expected at most {MAX_BODY} bytes")
    taken = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                taken += chunk
                if len(taken) > MAX_BODY:
                    raise BodyError(413, f"expected at most {MAX_BODY} bytes")
    except TimeoutError:
        raise BodyError(408, f"expected the whole body within {BODY_SECONDS:g} s") from None
    return bytes(taken)


def unpacked(data: bytes, request: Request) -> bytes:
    """A body without its request's content encoding. Raises BodyError (400, 413, 415)."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    try:
        match encoding:
            case "identity" | "":
                return data
            case "gzip":
                found = _gunzip(data)
            case "zstd":
                with zstandard.ZstdDecompressor(max_window_size=8 << 20).stream_reader(
                    io.BytesIO(data)
                ) as reader:
                    found = reader.read(MAX_UNPACKED + 1)
            case _:
                raise BodyError(415, "expected content-encoding gzip, zstd or none")
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise BodyError(400, f"this is no {encoding}: {error}") from error
    if len(found) > MAX_UNPACKED:
        raise BodyError(413, f"expected at most {MAX_UNPACKED} bytes unpacked")
    return found


def _gunzip(data: bytes) -> bytes:
    found = bytearray()
    while data:
        member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        found += member.decompress(data, MAX_UNPACKED + 1 - len(found))
        if len(found) > MAX_UNPACKED:
            break
        if not member.eof:
            raise EOFError("it ends early")
        data = member.unused_data
    return bytes(found)
