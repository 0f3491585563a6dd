"""Choosing the output's format: kept where it can be, never a silent loss, refused before work where it cannot be."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import soundfile

from torchfx_cli.errors import FileError, UsageError
from torchfx_cli.samples import SampleFormat
from torchfx_cli.stream.formats import (
    CONTAINERS,
    choose_output,
    extension_of,
    format_words,
    is_audio_name,
    read_format,
)


@dataclass(frozen=True)
class Facts:
    """An input, as far as its format matters."""

    subtype: str = "PCM_16"
    fs: int = 48000
    channels: int = 2
    container: str = "WAV"
    channel_map: tuple[int, ...] = ()


@pytest.mark.parametrize("row", CONTAINERS, ids=lambda row: row.word)
def test_every_row_of_the_table_is_something_that_libsndfile_writes(row: object) -> None:
    for subtype in row.subtypes:  # type: ignore[attr-defined]
        assert soundfile.check_format(row.major, subtype), subtype  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        # kept
        ("a.wav", "PCM_24", "PCM_24"), ("a.WAV", "FLOAT", "FLOAT"), ("a.aif", "PCM_S8", "PCM_S8"),
        ("a.flac", "PCM_24", "PCM_24"), ("a.caf", "ALAC_16", "ALAC_16"), ("a.wav", "ULAW", "ULAW"),
        ("a.ogg", "OPUS", "OPUS"), ("a.opus", "OPUS", "OPUS"), ("a.mp3", "MPEG_LAYER_III", "MPEG_LAYER_III"),
        # nearest without loss
        ("a.wav", "PCM_S8", "PCM_U8"), ("a.au", "PCM_U8", "PCM_S8"), ("a.flac", "PCM_U8", "PCM_S8"),
        ("a.caf", "ALAC_24", "PCM_24"), ("a.wav", "ALAC_20", "PCM_24"), ("a.nist", "PCM_U8", "PCM_S8"),
        # the least loss
        ("a.flac", "FLOAT", "PCM_24"), ("a.flac", "DOUBLE", "PCM_24"), ("a.flac", "PCM_32", "PCM_24"),
        # the container's default
        ("a.wav", "MPEG_LAYER_III", "PCM_16"), ("a.flac", "VORBIS", "PCM_16"), ("a.wav", "IMA_ADPCM", "PCM_16"),
        ("a.wav", "GSM610", "PCM_16"), ("a.ogg", "PCM_24", "VORBIS"), ("a.oga", "MPEG_LAYER_III", "VORBIS"),
        ("a.opus", "PCM_16", "OPUS"), ("a.mp3", "FLOAT", "MPEG_LAYER_III"), ("a.flac", "ULAW", "PCM_16"),
    ],
)  # fmt: skip
def test_the_subtype_is_kept_or_the_nearest_is_taken(name: str, source: str, expected: str) -> None:
    assert choose_output(name, Facts(source)).subtype == expected


@pytest.mark.parametrize(
    ("name", "word", "expected"),
    [
        ("a.wav", "24", "PCM_24"), ("a.wav", "pcm_24", "PCM_24"), ("a.wav", "PCM24", "PCM_24"),
        ("a.wav", "8", "PCM_U8"), ("a.flac", "8", "PCM_S8"), ("a.wav", "float", "FLOAT"), ("a.wav", "Float32", "FLOAT"),
        ("a.wav", "double", "DOUBLE"), ("a.wav", "float64", "DOUBLE"), ("a.ogg", "opus", "OPUS"),
        ("a.caf", "alac", "ALAC_16"), ("a.mp3", "mp3", "MPEG_LAYER_III"), ("a.wav", "ulaw", "ULAW"),
    ],
)  # fmt: skip
def test_the_words_for_a_subtype_are_understood(name: str, word: str, expected: str) -> None:
    assert choose_output(name, Facts(), None, word).subtype == expected


def test_a_subtype_that_the_container_cannot_hold_is_a_usage_error_listing_what_it_can() -> None:
    with pytest.raises(UsageError, match=r"OPUS cannot hold PCM_24; it can hold OPUS"):
        choose_output("a.opus", Facts(), None, "PCM_24")
    with pytest.raises(UsageError, match=r"FLAC cannot hold float; it can hold PCM_16, PCM_24, PCM_S8"):
        choose_output("a.flac", Facts(), None, "float")


def test_samples_go_to_the_codec_in_the_type_it_wants() -> None:
    assert choose_output("a.wav", Facts("PCM_24")).sample_format == SampleFormat("int32", 24)
    assert choose_output("a.wav", Facts("FLOAT")).sample_format == SampleFormat("float32")
    assert choose_output("a.wav", Facts("ALAW")).sample_format == SampleFormat("int16", 16)
    for name in ("a.ogg", "a.opus", "a.mp3"):
        assert choose_output(name, Facts("FLOAT")).sample_format == SampleFormat("float32", limit=True)


def test_an_unknown_subtype_is_read_as_16_bits() -> None:
    assert read_format("SOMETHING_NEW") == SampleFormat("int16", 16)


@pytest.mark.parametrize(
    ("name", "facts", "words"),
    [
        ("a.mp3", Facts(channels=6), "MP3 holds 1 or 2 channels, not 6"),
        ("a.flac", Facts(channels=300), "FLAC holds 1 to 8 channels, not 300"),
        ("a.8svx", Facts(), "SVX holds 1 channel, not 2"),
        ("a.opus", Facts(fs=96000), "Opus cannot have a sample rate of 96000 Hz, only of 8000, 12000"),
        ("a.ogg", Facts("OPUS", fs=44100), "Opus cannot have a sample rate of 44100 Hz"),
        ("a.mp3", Facts(fs=96000), "MP3 cannot have a sample rate of 96000 Hz, only of 8000, 11025"),
        ("a.flac", Facts(fs=700000), "FLAC cannot have a sample rate of 700000 Hz, only up to 655350"),
        ("a.flac", Facts(fs=176401), "multiple of 10"),
        ("a.ogg", Facts(fs=384000), "OGG cannot have a sample rate of 384000 Hz"),
        ("a.ogg", Facts(channels=256), "OGG holds 1 to 255 channels"),
        ("a.aiff", Facts(fs=2**31 - 1), "AIFF cannot have a sample rate"),
        ("a.caf", Facts("ALAC_16", channels=9), "CAF holds 1 to 8 channels"),
        ("a.xyz", Facts(), "no audio format has the extension of a.xyz"),
        ("noextension", Facts(), "no audio format"),
    ],
)
def test_what_a_container_cannot_hold_is_refused_before_work(name: str, facts: Facts, words: str) -> None:
    with pytest.raises(FileError, match=r".") as caught:
        choose_output(name, facts)
    assert words in str(caught.value)


def test_a_format_word_and_the_name_must_agree() -> None:
    assert choose_output("a.flac", Facts(), "FLAC").major == "FLAC"
    assert choose_output("a.wav", Facts(), "rf64").major == "RF64"
    assert choose_output("a.dat", Facts(), "wav").major == "WAV"
    with pytest.raises(UsageError, match=r"a\.wav would not be FLAC, as --format says; name it a\.flac"):
        choose_output("a.wav", Facts(), "flac")
    with pytest.raises(UsageError, match="unknown format 'xyz'; there are wav, "):
        choose_output("a.wav", Facts(), "xyz")


def test_format_words_and_extensions_name_each_other() -> None:
    assert [extension_of(word) for word in format_words()] == [row.extensions[0] for row in CONTAINERS]
    assert extension_of("aif") == ".aiff"
    assert is_audio_name("some/where/X.FLAC")
    assert not is_audio_name("chain.yaml")
    assert not is_audio_name(".wav/readme")


def test_a_channel_mask_is_kept_and_a_plain_wav_stays_plain() -> None:
    surround = (2, 3, 4, 11, 9, 10)
    assert choose_output("a.wav", Facts(container="WAVEX", channels=6, channel_map=surround)).major == "WAVEX"
    assert choose_output("a.wav", Facts(container="AIFF", channels=6, channel_map=surround)).major == "WAVEX"
    assert choose_output("a.wav", Facts(container="WAV", channels=6)).major == "WAV"
    assert choose_output("a.caf", Facts(container="WAVEX", channels=6, channel_map=surround)).channel_map == surround


@pytest.mark.parametrize(("name", "subtype", "expected"), [("a.wav", "PCM_24", 3), ("a.wav", "DOUBLE", 8),
                                                           ("a.flac", "PCM_16", 2), ("a.ogg", "FLOAT", 1)])  # fmt: skip
def test_the_bytes_of_a_sample_are_told_for_estimates(name: str, subtype: str, expected: int) -> None:
    assert choose_output(name, Facts(subtype)).bytes_per_sample == expected
