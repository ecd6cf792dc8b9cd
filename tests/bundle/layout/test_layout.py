"""OCI image layouts as folders and as tar archives."""

import hashlib
import io
import os
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flakesync.bundle.layout.oci import NAR_TYPE, Layer
from flakesync.bundle.layout.reader import open_layout
from flakesync.bundle.layout.writer import LayoutWriter
from flakesync.errors import FlakesyncError

CONFIG = b'{"schema":"flakesync/bundle/1"}'
BLOBS = [b"first" * 100, b"second" * 50_000, b""]
FORMS = pytest.mark.parametrize("name", ["bundle", "bundle.tar"])


def write(place: Path, blobs: list[bytes] = BLOBS, config: bytes = CONFIG) -> str:
    with LayoutWriter(place) as writer:
        layers = [Layer(NAR_TYPE, *writer.add(NAR_TYPE, iter([blob[:7], blob[7:]]))) for blob in blobs]
        return writer.finish(config, layers)


def content(place: Path) -> dict[str, bytes]:
    if place.is_file():
        return {"": place.read_bytes()}
    return {str(file.relative_to(place)): file.read_bytes() for file in sorted(place.rglob("*")) if file.is_file()}


def read(place: Path) -> list[bytes]:
    with open_layout(place) as layout:
        return [layout.config, *(b"".join(layout.blob(digest)) for digest in layout.layers)]


def error_of(place: Path) -> str:
    with pytest.raises(FlakesyncError) as caught:
        read(place)
    return caught.value.code


@FORMS
def test_what_is_written_is_read_back_and_the_same_input_gives_the_same_bytes(tmp_path: Path, name: str) -> None:
    digest = write(tmp_path / "a" / name)
    write(tmp_path / "b" / name)
    assert read(tmp_path / "a" / name) == [CONFIG, *BLOBS]
    assert digest == f"sha256:{hashlib.sha256(CONFIG).hexdigest()}"
    assert content(tmp_path / "a" / name) == content(tmp_path / "b" / name)
    assert [found.name for found in (tmp_path / "a").iterdir()] == [name]


@FORMS
def test_a_bundle_without_index_is_unfinished_and_is_gone_on_with(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    with LayoutWriter(place) as writer:
        digest, size = writer.add(NAR_TYPE, [BLOBS[0]])
        (writer.scratch / "note").write_text("kept")
    assert error_of(place) in ("unfinished-bundle", "no-bundle")
    with LayoutWriter(place) as writer:
        assert writer.has(digest, size)
        assert not writer.has(digest, size + 1)
        assert (writer.scratch / "note").read_text() == "kept"
    write(place)
    write(tmp_path / "fresh" / name)
    assert content(place) == content(tmp_path / "fresh" / name)


@FORMS
def test_a_second_bundle_in_the_same_place_has_no_blob_of_the_first_that_it_does_not_name(
    tmp_path: Path, name: str
) -> None:
    place = tmp_path / name
    write(place)
    with LayoutWriter(place) as writer:
        assert writer.config == CONFIG
        layer = Layer(NAR_TYPE, f"sha256:{hashlib.sha256(BLOBS[0]).hexdigest()}", len(BLOBS[0]))
        assert writer.has(layer.digest)
        writer.finish(b"{}", [layer])
    write(tmp_path / "fresh" / name, BLOBS[:1], b"{}")
    assert content(place) == content(tmp_path / "fresh" / name)


@FORMS
def test_one_process_writes_a_bundle_at_a_time(tmp_path: Path, name: str) -> None:
    with LayoutWriter(tmp_path / name), pytest.raises(FlakesyncError, match="another process"):
        LayoutWriter(tmp_path / name)


@FORMS
def test_an_error_of_the_pieces_leaves_no_part_behind(tmp_path: Path, name: str) -> None:
    def broken() -> Iterator[bytes]:
        yield b"some"
        raise ValueError

    with LayoutWriter(tmp_path / name) as writer:
        with pytest.raises(ValueError):
            writer.add(NAR_TYPE, broken())
        assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_a_folder_or_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis").write_text("years of work")
    with pytest.raises(FlakesyncError) as caught:
        LayoutWriter(tmp_path)
    assert caught.value.code == "not-a-bundle"
    with pytest.raises(FlakesyncError) as caught:
        LayoutWriter(tmp_path / "thesis")
    assert caught.value.code == "not-a-bundle"
    assert (tmp_path / "thesis").read_text() == "years of work"


@FORMS
def test_no_flipped_bit_is_missed(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    write(place)
    chance = random.Random(1)
    files = [place] if place.is_file() else [file for file in sorted(place.rglob("*")) if file.is_file()]
    for _ in range(200):
        file = chance.choice([file for file in files if file.stat().st_size])
        data = bytearray(before := file.read_bytes())
        # Half of them where the tar headers and the JSON files are.
        where = chance.randrange(len(data)) if chance.random() < 0.5 else chance.randrange(min(len(data), 2048))
        data[where] ^= 1 << chance.randrange(8)
        file.write_bytes(data)
        assert error_of(place) in ("bad-blob", "bad-bundle"), (file, where)
        file.write_bytes(before)
    assert read(place) == [CONFIG, *BLOBS]


def test_bits_of_the_json_files_and_of_tar_headers_count(tmp_path: Path) -> None:
    place = tmp_path / "b.tar"
    write(place, [b"x"])
    data = place.read_bytes()
    for where in range(0, len(data), 3):
        place.write_bytes(data[:where] + bytes([data[where] ^ 1 << where % 8]) + data[where + 1 :])
        assert error_of(place) in ("bad-blob", "bad-bundle", "unfinished-bundle"), where


@FORMS
def test_no_cut_off_file_is_missed(tmp_path: Path, name: str) -> None:
    place = tmp_path / name
    write(place)
    files = [place] if place.is_file() else [file for file in sorted(place.rglob("*")) if file.is_file()]
    for file in files:
        before = file.read_bytes()
        for size in {0, 1, 511, 512, 1024, len(before) // 2, len(before) - 1024, len(before) - 1} & set(
            range(len(before))
        ):
            file.write_bytes(before[:size])
            assert error_of(place) in ("bad-blob", "bad-bundle"), (file, size)
        file.unlink()
        assert error_of(place) in ("bad-blob", "bad-bundle", "unfinished-bundle", "no-bundle")
        file.write_bytes(before)


def add(place: Path, header: tarfile.TarInfo, data: bytes = b"", form: int = tarfile.GNU_FORMAT) -> None:
    with tarfile.open(place, "a", format=form) as archive:
        header.size = len(data)
        archive.addfile(header, io.BytesIO(data))


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.type, header.linkname = kind, link
    return header


@pytest.mark.parametrize(
    "header",
    [
        entry("blobs/sha256/" + "0" * 64, tarfile.SYMTYPE, "/etc/passwd"),
        entry("hard", tarfile.LNKTYPE, "index.json"),
        entry("/etc/passwd"),
        entry("../out"),
        entry("blobs/../../out"),
        entry("index.json"),
        entry("./index.json"),
        entry("pipe", tarfile.FIFOTYPE),
        entry("null", tarfile.CHRTYPE),
        entry("long/" * 40 + "name"),
        entry("sparse", tarfile.GNUTYPE_SPARSE),
    ],
    ids=lambda header: header.name[:20],
)
def test_an_archive_with_links_ways_out_or_names_twice_is_refused(tmp_path: Path, header: tarfile.TarInfo) -> None:
    write(tmp_path / "b.tar")
    add(tmp_path / "b.tar", header)
    assert error_of(tmp_path / "b.tar") == "bad-bundle"


def test_a_huge_sparse_archive_takes_no_time(tmp_path: Path) -> None:
    write(tmp_path / "b.tar")
    os.truncate(tmp_path / "b.tar", 1 << 42)
    assert error_of(tmp_path / "b.tar") == "bad-bundle"


def test_a_folder_packed_by_tar_itself_is_read(tmp_path: Path) -> None:
    write(tmp_path / "b")
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT):
        with tarfile.open(tmp_path / "b.tar", "w", format=form) as archive:
            archive.add(tmp_path / "b", ".")
        assert read(tmp_path / "b.tar") == [CONFIG, *BLOBS]


def test_a_compressed_archive_is_refused_with_the_way_to_unpack_it(tmp_path: Path) -> None:
    write(tmp_path / "b")
    with tarfile.open(tmp_path / "b.tar", "w:gz") as archive:
        archive.add(tmp_path / "b", ".")
    with pytest.raises(FlakesyncError, match="compressed") as caught:
        open_layout(tmp_path / "b.tar")
    assert caught.value.hint is not None
    assert "gzip -d" in caught.value.hint


def test_blobs_that_are_pipes_or_devices_are_no_blobs(tmp_path: Path) -> None:
    write(tmp_path / "b", [b"x"])
    blob = tmp_path / "b" / "blobs" / "sha256" / hashlib.sha256(b"x").hexdigest()
    blob.unlink()
    os.mkfifo(blob)
    assert error_of(tmp_path / "b") == "bad-blob"
    blob.unlink()
    blob.symlink_to("/dev/zero")
    assert error_of(tmp_path / "b") == "bad-blob"


@pytest.mark.parametrize("digest", ["sha256:" + "0" * 63, "sha256:../../../etc/passwd", "sha512:" + "0" * 128, ""])
def test_digests_of_another_form_are_never_looked_up(tmp_path: Path, digest: str) -> None:
    write(tmp_path / "b", [b"x"])
    index = (tmp_path / "b" / "index.json").read_text()
    named = index.split('"digest":"')[1].split('"')[0]
    (tmp_path / "b" / "index.json").write_text(index.replace(named, digest))
    assert error_of(tmp_path / "b") == "bad-bundle"
