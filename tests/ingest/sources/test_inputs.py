"""Finding inputs in folders and archives."""

import bz2
import gzip
import io
import lzma
import os
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from hauberk.ingest import Limits, Unreadable, find_inputs

Found = list[tuple[str, bytes | str]]


def found(*paths: Path, limits: Limits | None = None) -> Found:
    result: Found = []
    for each in find_inputs(paths, limits=limits):
        if isinstance(each, Unreadable):
            result.append((each.source, f"! {each.reason}"))
        else:
            result.append((each.source, each.stream.read()))
            if each.fault:
                result.append((each.source, f"! {each.fault}"))
    return result


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return file.getvalue()


def tarred(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return file.getvalue()


def test_a_folder_is_read_in_order_of_name_and_deep(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.log").write_bytes(b"2")
    (tmp_path / "a.log").write_bytes(b"1")
    (tmp_path / "c.log").write_bytes(b"3")
    assert [body for _, body in found(tmp_path)] == [b"1", b"2", b"3"]


def test_links_that_form_a_loop_end(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "d" / "dangling").symlink_to(tmp_path / "nothing")
    (tmp_path / "d" / "x").write_bytes(b"1")
    results = found(tmp_path)
    assert [body for _, body in results if body == b"1"] == [b"1"]
    assert any("no such file" in str(body) for _, body in results)


def test_what_cannot_be_read_is_told_and_the_rest_goes_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a-pipe")
    (tmp_path / "b").write_bytes(b"1")
    results = dict(found(tmp_path, tmp_path / "missing"))
    assert "pipe" in str(results[str(tmp_path / "a-pipe")])
    assert results[str(tmp_path / "b")] == b"1"
    assert "no such file" in str(results[str(tmp_path / "missing")])


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    assert found(tmp_path) == [(str(tmp_path), "! the folder holds no files")]


@pytest.mark.parametrize(
    "pack",
    [gzip.compress, bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress],
)
def test_compressed_files_are_read_as_what_they_hold(
    tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "x.json.gz"
    body = random.Random(1).randbytes(3 << 20)
    path.write_bytes(pack(body) + pack(b"second member"))
    assert found(path) == [(str(path), body + b"second member")]
    path.write_bytes(pack(body)[: 2 << 20])
    (_, part), (_, fault) = found(path)
    assert isinstance(part, bytes)
    assert len(part) > 1 << 20
    assert body.startswith(part)
    assert str(fault).startswith("!")


def test_archives_inside_archives_are_opened(tmp_path: Path) -> None:
    inner = zipped({"deep/x.json": b"x", "y.json": b"y"})
    path = tmp_path / "outer.tar.gz"
    path.write_bytes(gzip.compress(tarred({"in.zip": inner, "z.log.gz": gzip.compress(b"z")})))
    assert found(path) == [
        (f"{path}!/in.zip!/deep/x.json", b"x"),
        (f"{path}!/in.zip!/y.json", b"y"),
        (f"{path}!/z.log.gz", b"z"),
    ]


def test_each_limit_is_named_when_it_is_passed(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    bomb.write_bytes(zipped({"a": b"\0" * (4 << 20), "b": b"1"}))
    after = tmp_path / "z.log"
    after.write_bytes(b"ok")

    def faults(limits: Limits) -> str:
        results = found(bomb, after, limits=limits)
        assert results[-1] == (str(after), b"ok")
        return " ".join(str(body) for _, body in results if isinstance(body, str))

    assert "compression ratio" in faults(Limits(ratio=10, ratio_from=1 << 20))
    assert "unpacked bytes" in faults(Limits(unpacked=1 << 20))
    assert "members" in faults(Limits(members=1))
    assert "depth" in faults(Limits(depth=0))
    bomb.write_bytes(tarred({"in.zip": zipped({"a": os.urandom(4096)})}))
    assert "spooled" in faults(Limits(spooled=1024))


def test_names_of_members_are_labels_and_never_paths(tmp_path: Path) -> None:
    path = tmp_path / "evil.zip"
    path.write_bytes(zipped({"../../etc/passwd": b"1", "a\x1b[2Jb": b"2"}))
    names = [source for source, _ in found(path)]
    assert names[0] == f"{path}!/../../etc/passwd"
    assert names[1] == f"{path}!/a\\x1b[2Jb"
    assert list(tmp_path.iterdir()) == [path]


def test_links_and_devices_in_a_tar_are_not_followed(tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    path = tmp_path / "x.tar"
    path.write_bytes(file.getvalue())
    [(_, body)] = found(path)
    assert "link" in str(body)


@pytest.mark.parametrize("seed", range(40))
def test_damaged_archives_never_raise(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    whole = bytearray(
        chance.choice(
            [
                zipped({"a": b"a" * 5000, "b": os.urandom(5000)}),
                gzip.compress(tarred({"a": b"a" * 5000, "b": zipped({"c": b"c" * 100})})),
                tarred({"a": b"a" * 5000, "b" * 200: b"b"}),
                zstandard.ZstdCompressor().compress(b"abc" * 5000),
            ]
        )
    )
    for _ in range(chance.randrange(1, 20)):
        whole[chance.randrange(6, len(whole))] = chance.randrange(256)
    path = tmp_path / "x"
    path.write_bytes(bytes(whole[: chance.randrange(6, len(whole) + 1)]))
    assert found(path)
