"""Where a chunk is cut is told without reading the chunk, and changes nothing of it."""

import io
import tempfile
from pathlib import Path, PurePath

from hypothesis import given, settings
from hypothesis import strategies as st

from hauberk.ingest.known_formats import format_named
from hauberk.ingest.sources.batches import Batch, read_batches
from hauberk.ingest.sources.inputs import Input
from hauberk.ingest.sources.streams import HEAD, Stream

FORMAT = format_named("windows-json")


def cut(stream: Stream, size: int) -> list[tuple[int, bytes]]:
    found = read_batches(Input("f", PurePath("f"), stream), FORMAT, chunk_bytes=size)
    return [(one.records.offset, one.records.data) for one in found if isinstance(one, Batch)]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 5000), min_size=60, max_size=150),
    st.integers(HEAD + 1, 3 * HEAD),
    st.booleans(),
)
def test_a_file_and_a_pipe_are_cut_into_the_same_chunks(
    lengths: list[int], size: int, ended: bool
) -> None:
    data = b"\n".join(b"x" * length for length in lengths) + (b"\n" if ended else b"")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f"
        path.write_bytes(data)
        with path.open("rb", buffering=0) as file:
            assert isinstance(file, io.FileIO)
            of_file = cut(Stream(file), size)
    assert of_file == cut(Stream(io.BytesIO(data)), size)
    assert b"".join(chunk for _, chunk in of_file) == data


def test_a_chunk_is_told_by_its_end(tmp_path: Path) -> None:
    line = b"y" * 999 + b"\n"
    (tmp_path / "f").write_bytes(line * 1000)
    with (tmp_path / "f").open("rb", buffering=0) as file:
        stream = Stream(file)
        assert stream.upto(500_500, b"\n") == 500_000
        assert file.tell() == 0
        assert stream.read(500_000) == line * 500
        assert stream.upto(2_000_000, b"\n") == 2_000_000  # past the end of the file
        assert stream.upto(400_000, b"no such mark") == 400_000
    assert Stream(io.BytesIO(line)).upto(500_000, b"\n") == 500_000
