"""All keys, all values and the pictures of FLAC, Ogg, Opus, MP3, WAV and AIFF, from each to each.

The truth is what mutagen and ffprobe read in the output, and what soundfile reads of its samples.
"""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from support import oddfiles
from support.oddfiles import TONE, put
from support.rewrite import rewrite, wav_chunks

from torchfx_cli.errors import Interrupted, WriteError
from torchfx_cli.stream import metadatasource, richtags, taglist
from torchfx_cli.stream.reader import open_source

mutagen = pytest.importorskip("mutagen")
id3 = pytest.importorskip("mutagen.id3")
flac = pytest.importorskip("mutagen.flac")

LONG = np.tile(TONE, 10)
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 20
COMMENTS = [
    ("TITLE", "Übermut & Co"), ("ARTIST", "Zoë"), ("ARTIST", "Åse"), ("ALBUM", "日本語"), ("ALBUMARTIST", "Various"),
    ("DATE", "2024-02-29"), ("TRACKNUMBER", "3/12"), ("GENRE", "Blues"), ("COMMENT", "two\nlines"),
    ("LYRICS", "la\nla"), ("COPYRIGHT", "© 2024"), ("LICENSE", "CC BY 4.0"),
    ("COMPOSER", "B"), ("COMPOSER", "A"), ("MY KEY", "my = value"),
    ("MUSICBRAINZ_TRACKID", "7d0c1c4e-0f3a-4b63-a2f5-a5c8bb5d31e1"),
]  # fmt: skip
STALE = [("REPLAYGAIN_TRACK_GAIN", "-7.0 dB"), ("R128_TRACK_GAIN", "256"), ("ENCODER", "Lavf60")]
NOTE = "dropped, because filtering changes it: REPLAYGAIN_TRACK_GAIN, R128_TRACK_GAIN"
NAMES = ["out.flac", "out.ogg", "out.opus", "out.mp3", "out.wav", "out.rf64", "out.aiff"]


def picture(data: bytes = JPEG) -> flac.Picture:
    made = flac.Picture()
    made.type, made.mime, made.desc, made.data = 3, "image/jpeg", "front", data
    made.width, made.height, made.depth = 640, 480, 24
    return made


def rich_flac(folder: Path) -> Path:
    path = put(folder, oddfiles.encode(LONG, format="FLAC"), "rich.flac")
    song = flac.FLAC(path)
    song.tags[:] = [*COMMENTS, *STALE]
    song.add_picture(picture())
    song.save()
    return path


def rich_mp3(folder: Path, *frames: object, version: int = 4, name: str = "rich.mp3") -> Path:
    path = put(folder, oddfiles.encode(LONG, format="MP3"), name)
    tags = id3.ID3()
    for frame in frames:
        tags.add(frame)
    if version == 3:
        tags.update_to_v23()
    tags.save(path, v2_version=version)
    return path


def comments_in(path: Path) -> list[tuple[str, str]]:
    """Vorbis comments without the encoder's name."""
    return [(key.upper(), value) for key, value in mutagen.File(path).tags if key.upper() != "ENCODER"]


def names_in(warning: str) -> set[str]:
    return set(warning.removeprefix("not carried over: ").split(", "))


def id3_in(path: Path) -> id3.ID3:
    if path.suffix == ".mp3":
        return id3.ID3(path)
    return id3.ID3(io.BytesIO(next(data for name, data in wav_chunks(path.read_bytes()) if name.lower() == b"id3 ")))


def pictures_in(path: Path) -> list[tuple[int, str, str, bytes]]:
    if path.suffix in (".mp3", ".wav", ".rf64", ".aiff"):
        found = id3_in(path).getall("APIC")
    elif path.suffix == ".flac":
        found = flac.FLAC(path).pictures
    else:
        found = [flac.Picture(base64.b64decode(text)) for text in mutagen.File(path).tags["metadata_block_picture"]]
    return [(one.type, one.mime, one.desc, one.data) for one in found]


@pytest.mark.parametrize("name", NAMES)
def test_everything_in_a_flac_goes_into_each_kind_and_comes_back(tmp_path: Path, name: str) -> None:
    warnings, notes = rewrite(tmp_path / name, rich_flac(tmp_path))
    assert (warnings, notes) == ([], [NOTE])
    assert pictures_in(tmp_path / name) == [(3, "image/jpeg", "front", JPEG)]
    assert abs(sf.info(tmp_path / name).frames - len(LONG)) == 0
    warnings, notes = rewrite(tmp_path / "back.flac", tmp_path / name)
    assert (warnings, notes) == ([], [])
    back = [pair for pair in comments_in(tmp_path / "back.flac") if pair[0] != "SOFTWARE"]
    assert sorted(back) == sorted(COMMENTS)
    assert [value for key, value in back if key == "COMPOSER"] == ["B", "A"]
    assert pictures_in(tmp_path / "back.flac") == [(3, "image/jpeg", "front", JPEG)]


@pytest.mark.parametrize("name", ["out.flac", "out.ogg", "out.opus"])
def test_vorbis_comments_keep_their_order_and_pictures_their_size(tmp_path: Path, name: str) -> None:
    rewrite(tmp_path / name, rich_flac(tmp_path))
    assert [pair for pair in comments_in(tmp_path / name) if pair[0] != "METADATA_BLOCK_PICTURE"] == COMMENTS
    rewrite(tmp_path / "back.flac", tmp_path / name)
    found = flac.FLAC(tmp_path / "back.flac").pictures[0]
    assert (found.width, found.height, found.depth) == (640, 480, 24)


def test_comments_become_the_frames_that_players_look_for(tmp_path: Path) -> None:
    rewrite(tmp_path / "out.mp3", rich_flac(tmp_path))
    tags = id3.ID3(tmp_path / "out.mp3")
    assert tags.version == (2, 4, 0)
    assert tags["TPE1"].text == ["Zoë", "Åse"]
    assert tags["TPE2"].text == ["Various"]
    assert tags["TXXX:MY KEY"].text == ["my = value"]
    assert tags["UFID:http://musicbrainz.org"].data == b"7d0c1c4e-0f3a-4b63-a2f5-a5c8bb5d31e1"
    assert [frame.text for frame in tags.getall("COMM")] == [["two\nlines"]]
    assert "LAME" in tags["TSSE"].text[0]
    assert not [key for key in tags if "REPLAYGAIN" in key or "R128" in key]


@pytest.mark.parametrize("name", NAMES)
def test_ffprobe_finds_the_tags_and_the_picture(tmp_path: Path, name: str) -> None:
    if shutil.which("ffprobe") is None:
        pytest.skip("needs ffprobe")
    rewrite(tmp_path / name, rich_flac(tmp_path))
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", str(tmp_path / name)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    sounds = [stream for stream in told["streams"] if stream["codec_type"] == "audio"]
    parts = [part.get("tags", {}) for part in (told["format"], *sounds)]
    tags = {key.lower(): value for part in parts for key, value in part.items()}
    assert tags["title"] == "Übermut & Co"
    assert tags["album"] == "日本語"
    if name not in ("out.wav", "out.rf64"):  # there ffprobe looks at LIST INFO alone, but for the picture
        assert tags.get("album_artist", tags.get("albumartist")) == "Various"
    assert "video" in [stream["codec_type"] for stream in told["streams"]]


# From ID3


OWN = [
    id3.TIT2(encoding=3, text="Lied"), id3.TPE2(encoding=1, text="Alle"), id3.TXXX(encoding=3, desc="mood", text="x"),
    id3.PRIV(owner="me", data=b"\0\1"), id3.POPM(email="a@b", rating=196, count=2),
    id3.COMM(encoding=3, lang="deu", desc="", text="gut"),
    id3.APIC(encoding=0, mime="image/jpeg", type=3, desc="", data=JPEG),
]  # fmt: skip
OLD = [
    id3.TXXX(encoding=3, desc="replaygain_track_gain", text="-3 dB"),
    id3.COMM(encoding=0, lang="eng", desc="iTunNORM", text="00"),
    id3.COMM(encoding=0, lang="eng", desc="iTunSMPB", text="0 1 2"), id3.TLEN(encoding=0, text="1000"),
    id3.TSSE(encoding=0, text="another encoder"), id3.RVA2(desc="track", channel=1, gain=-3.0, peak=0.5),
]  # fmt: skip


@pytest.mark.parametrize("version", [3, 4])
def test_an_mp3_keeps_every_frame_but_those_of_the_old_samples(tmp_path: Path, version: int) -> None:
    source = rich_mp3(tmp_path, *OWN, *OLD, version=version)
    warnings, notes = rewrite(tmp_path / "out.mp3", source)
    assert warnings == []
    assert set(notes[0].split(": ")[1].split(", ")) == {"replaygain_track_gain", "iTunNORM", "RVA2"}
    tags = id3.ID3(tmp_path / "out.mp3", translate=False)
    assert tags.version == (2, version, 0)
    assert {key for key in tags if key != "TSSE"} == {frame.HashKey for frame in OWN}
    assert "another" not in str(tags.get("TSSE"))
    assert tags.getall("APIC")[0].data == JPEG
    assert (tags["POPM:a@b"].rating, tags["PRIV:me:\0\1"].data) == (196, b"\0\1")
    assert sf.info(tmp_path / "out.mp3").frames == sf.info(source).frames


def test_frames_that_only_id3_knows_are_named_where_the_output_has_none(tmp_path: Path) -> None:
    source = rich_mp3(tmp_path, *OWN, *OLD)
    warnings, _ = rewrite(tmp_path / "out.flac", source)
    assert [names_in(warning) for warning in warnings] == [{"POPM", "PRIV"}]
    assert sorted(comments_in(tmp_path / "out.flac")) == sorted(
        [("TITLE", "Lied"), ("ALBUMARTIST", "Alle"), ("MOOD", "x"), ("COMMENT", "gut")]
    )
    assert rewrite(tmp_path / "out.wav", source)[0] == []
    assert id3_in(tmp_path / "out.wav")["POPM:a@b"].rating == 196


def test_an_id3_chunk_of_a_wav_goes_into_a_flac_beside_its_info_texts(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    tags = id3.ID3()
    for frame in OWN[:2]:
        tags.add(frame)
    tags.save(buffer)
    info = b"INFO" + b"INAM\4\0\0\0Name" + b"IART\4\0\0\0B\xf6h\0"
    source = oddfiles.riff(oddfiles.fmt_chunk(), oddfiles.data_chunk(), (b"LIST", info), (b"id3 ", buffer.getvalue()))
    assert rewrite(tmp_path / "out.flac", put(tmp_path, source))[0] == []
    assert sorted(comments_in(tmp_path / "out.flac")) == [("ALBUMARTIST", "Alle"), ("ARTIST", "Böh"), ("TITLE", "Lied")]


def test_a_comment_with_a_name_becomes_a_comment_of_that_name(tmp_path: Path) -> None:
    frames = [id3.COMM(encoding=3, lang="eng", desc=desc, text=desc or "plain") for desc in ("", "Songs=DB", "x")]
    rewrite(tmp_path / "out.flac", rich_mp3(tmp_path, *frames))
    assert sorted(comments_in(tmp_path / "out.flac")) == [("COMMENT", "plain"), ("SONGS_DB", "Songs=DB"), ("X", "x")]


def test_an_ape_tag_is_named(tmp_path: Path) -> None:
    source = put(tmp_path, oddfiles.encode(LONG, format="MP3"), "in.mp3")
    tags = pytest.importorskip("mutagen.apev2").APEv2()
    tags["MP3GAIN_UNDO"] = "+1,+1,N"
    tags.save(source)
    assert rewrite(tmp_path / "out.mp3", source)[0] == ["not carried over: APE tag"]


def test_a_genre_number_becomes_its_name(tmp_path: Path) -> None:
    rewrite(tmp_path / "out.flac", rich_mp3(tmp_path, id3.TCON(encoding=0, text="(17)"), OWN[1]))
    assert ("GENRE", "Rock") in comments_in(tmp_path / "out.flac")


# Sizes and damage


@pytest.mark.parametrize("name", ["out.flac", "out.ogg", "out.opus", "out.mp3", "out.wav"])
def test_a_picture_of_3_mb_is_carried_and_every_frame_reads_back(tmp_path: Path, name: str) -> None:
    data = np.random.default_rng(1).bytes(3_000_000)
    path = rich_flac(tmp_path)
    song = flac.FLAC(path)
    song.clear_pictures()
    song.add_picture(picture(data))
    song.save()
    assert rewrite(tmp_path / name, path)[0] == []
    assert [one[3] for one in pictures_in(tmp_path / name)] == [data]
    assert len(sf.read(tmp_path / name)[0]) == len(LONG)


def test_a_picture_too_large_for_a_flac_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(richtags, "FLAC_BLOCK_BYTES", 1000)
    warnings, _ = rewrite(tmp_path / "out.flac", rich_mp3(tmp_path, OWN[1], OWN[6]))
    assert warnings == ["not carried over: PICTURE"]
    assert comments_in(tmp_path / "out.flac") == [("ALBUMARTIST", "Alle")]


@pytest.mark.parametrize("maker", [rich_flac, lambda folder: rich_mp3(folder, *OWN)])
def test_tags_too_large_to_load_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, maker: Callable[[Path], Path]
) -> None:
    for module in (metadatasource, taglist, richtags):
        monkeypatch.setattr(module, "MAX_BYTES", 1000)
    warnings, _ = rewrite(tmp_path / "out.flac", maker(tmp_path))
    assert len(warnings) == 1
    assert warnings[0].startswith("not carried over: ")
    assert warnings[0].endswith("; the tags are larger than 0 MiB")


def synchsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("mib", [1, 100])
def test_compressed_frames_are_unpacked_only_as_far_as_tags_may_go(tmp_path: Path, version: int, mib: int) -> None:
    """A few hundred KB packed by zlib took gigabytes."""
    packer, letters = zlib.compressobj(1), b"a" * (1 << 20)
    pieces = [packer.compress(b"\0"), *(packer.compress(letters) for _ in range(mib)), packer.flush()]
    packed = b"".join(pieces)
    plain_bytes, content = (mib << 20) + 1, b""
    if version == 4:
        content = synchsafe(plain_bytes) + packed
        frame = b"TPE2" + synchsafe(len(content)) + b"\0\x09" + content
    else:
        content = struct.pack(">I", plain_bytes) + packed
        frame = b"TPE2" + struct.pack(">I", len(content)) + b"\0\x80" + content
    tag = b"ID3" + bytes([version, 0, 0]) + synchsafe(len(frame)) + frame
    sf.write(tmp_path / "plain.mp3", TONE, oddfiles.FS)
    source = tmp_path / "in.mp3"
    source.write_bytes(tag + (tmp_path / "plain.mp3").read_bytes())
    tracemalloc.start()
    warnings, _ = rewrite(tmp_path / "out.flac", source)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    if mib == 1:
        assert [len(value) for key, value in comments_in(tmp_path / "out.flac") if key == "ALBUMARTIST"] == [1 << 20]
    else:
        assert warnings == ["not carried over: TPE2; they unpack to more than 64 MiB"]
        assert peak_bytes < 3 * metadatasource.MAX_BYTES


def test_damaged_tags_are_said_and_the_samples_written(tmp_path: Path) -> None:
    path = rich_flac(tmp_path)
    rewrite(tmp_path / "in.ogg", path)
    song = mutagen.File(tmp_path / "in.ogg")
    song.tags["metadata_block_picture"] = ["not a picture"]
    song.save()
    (warning,), _ = rewrite(tmp_path / "out.flac", tmp_path / "in.ogg")
    assert "METADATA_BLOCK_PICTURE" in warning
    assert "; the tags are damaged (" in warning
    assert sf.info(tmp_path / "out.flac").frames == len(LONG)
    assert sf.SoundFile(tmp_path / "out.flac").title == "Übermut & Co"


def test_tags_that_do_not_read_back_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(richtags, "_write_comments", lambda tags, file: None)
    with pytest.raises(WriteError, match="tags that read back are not those that were written"):
        rewrite(tmp_path / "out.flac", rich_flac(tmp_path))
    assert sorted(os.listdir(tmp_path)) == ["rich.flac"]


# Without mutagen


def test_without_mutagen_one_warning_names_what_is_left_and_the_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(richtags, "is_available", lambda: False)
    hint = 'pip install mutagen would carry the tags'
    keys = "ARTIST, ALBUMARTIST, LYRICS, COMPOSER, MY KEY, MUSICBRAINZ_TRACKID, PICTURE"
    assert rewrite(tmp_path / "out.flac", rich_flac(tmp_path)) == ([f"not carried over: {keys}; {hint}"], [NOTE])
    assert sf.SoundFile(tmp_path / "out.flac").artist == "Zoë"
    (warning,), _ = rewrite(tmp_path / "out.mp3", rich_mp3(tmp_path, *OWN))
    assert names_in(warning.removesuffix(f"; {hint}")) == {"TPE2", "mood", "PRIV", "POPM", "APIC"}


def test_a_container_that_holds_no_rich_tags_gives_no_advice(tmp_path: Path) -> None:
    warnings, _ = rewrite(tmp_path / "out.au", rich_flac(tmp_path))
    names = "title, copyright, artist, comment, date, album, license, tracknumber, genre, ALBUMARTIST, LYRICS, COMPOSER"
    assert warnings == [f"not carried over: {names} and 3 more"]


def test_a_file_that_libsndfile_can_carry_alone_does_not_import_mutagen(tmp_path: Path) -> None:
    for name in ("a.flac", "a.ogg", "a.wav"):
        with sf.SoundFile(tmp_path / name, "w", 48000, 1) as sound:
            sound.title, sound.artist = "one", "two"
            sound.write(TONE)
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from support.rewrite import rewrite\n"
        "folder = Path(sys.argv[1])\n"
        "for name in ('a.flac', 'a.ogg', 'a.wav'):\n"
        "    assert rewrite(folder / ('b' + name), folder / name) == ([], [])\n"
        "sys.exit('mutagen' in sys.modules)\n"
    )
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=env)


@pytest.mark.parametrize("version", [2, 3, 4])
def test_names_are_found_without_mutagen_as_mutagen_finds_them(tmp_path: Path, version: int) -> None:
    if version == 2:
        body = b"TT2\0\0\2\0a" + b"TP2\0\0\2\0b" + b"PIC\0\0\x06\0JPG\3\0"
        tag = b"ID3\2\0\0\0\0\0" + bytes([len(body)]) + body
        path = put(tmp_path, tag + oddfiles.encode(LONG, format="MP3"), "rich.mp3")
        names = {"TP2", "PIC"}
    else:
        path = rich_mp3(tmp_path, *OWN, version=version)
        names = {"TPE2", "mood", "PRIV", "POPM", "APIC"}
    with open_source(path) as source:
        assert set(taglist.tag_names(source.metadata)) == names


def test_an_interruption_is_not_taken_for_a_damaged_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(tag: bytes) -> None:
        raise Interrupted(2)

    monkeypatch.setattr(richtags, "read_id3", interrupted)
    with pytest.raises(Interrupted):
        rewrite(tmp_path / "out.flac", rich_mp3(tmp_path, *OWN))
