"""The containers that can be written, and how an input's format carries over into an output.

One table (`CONTAINERS`) says what each holds; `choose_output` follows it. The limits are those of the formats
themselves or of libsndfile 1.2.2, which crashes instead of refusing in some cases (Vorbis above 200 kHz).
Not offered, though libsndfile would write them: ADPCM and GSM (they pad to whole blocks, so the output would be
longer than asked) and ALAC of more than 16 bits (does not read back as written). Such inputs become plain PCM.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Protocol

from torchfx_cli.errors import FileError, UsageError
from torchfx_cli.records import dataclass
from torchfx_cli.samples import FLOAT64, SampleFormat
from torchfx_cli.stream.speakers import PLAIN_MASKS, mask_of

MAX_CHANNELS = 1024  # libsndfile's own limit
MAX_RATE_HZ = 2**31 - 1
# A RIFF or FORM size is 32 bits; headers, tags and what libsndfile adds at the end stay far below the slack.
RIFF_LIMIT_BYTES = 2**32 - 2**20

INT16, INT32 = SampleFormat("int16", 16), SampleFormat("int32", 32)
FLOAT32 = SampleFormat("float32")

# Subtype -> (bytes a sample takes in the file, how its samples are handed over). 0 bytes: not a fixed number.
_SUBTYPES: dict[str, tuple[int, SampleFormat]] = {
    "PCM_S8": (1, SampleFormat("int16", 8)),
    "PCM_U8": (1, SampleFormat("int16", 8)),
    "PCM_16": (2, INT16),
    "PCM_24": (3, SampleFormat("int32", 24)),
    "PCM_32": (4, INT32),
    "FLOAT": (4, FLOAT32),
    "DOUBLE": (8, FLOAT64),
    "ULAW": (1, INT16),
    "ALAW": (1, INT16),
    "ALAC_16": (0, INT16),
    "ALAC_20": (0, SampleFormat("int32", 20)),
    "ALAC_24": (0, SampleFormat("int32", 24)),
    "ALAC_32": (0, INT32),
    "DWVW_12": (0, SampleFormat("int16", 12)),
    "DWVW_24": (0, SampleFormat("int32", 24)),
    "DPCM_8": (0, SampleFormat("int16", 8)),
    "VORBIS": (0, FLOAT32),
    "OPUS": (0, FLOAT32),
    "MPEG_LAYER_I": (0, FLOAT32),
    "MPEG_LAYER_II": (0, FLOAT32),
    "MPEG_LAYER_III": (0, FLOAT32),
}
RATED = frozenset({"MPEG_LAYER_III", "VORBIS", "OPUS"})  # their encoders can be set
LOSSY = frozenset({"VORBIS", "OPUS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III", "ULAW", "ALAW"})

# What to take where the container cannot hold the source's subtype: first what loses nothing, then the least loss.
_NEAREST: dict[str, tuple[str, ...]] = {
    "PCM_S8": ("PCM_U8", "PCM_16"),
    "PCM_U8": ("PCM_S8", "PCM_16"),
    "PCM_16": ("PCM_24", "PCM_32"),
    "PCM_24": ("PCM_32", "DOUBLE", "FLOAT"),
    "PCM_32": ("DOUBLE", "PCM_24"),
    "FLOAT": ("DOUBLE", "PCM_24", "PCM_32"),
    "DOUBLE": ("FLOAT", "PCM_24", "PCM_32"),
    "ALAC_20": ("PCM_24",),
    "ALAC_24": ("PCM_24",),
    "ALAC_32": ("PCM_32", "PCM_24"),
    "DWVW_24": ("PCM_24",),
}

_SUBTYPE_WORDS = {
    "8": ("PCM_U8", "PCM_S8"),
    "U8": ("PCM_U8",),
    "S8": ("PCM_S8",),
    "16": ("PCM_16", "ALAC_16"),
    "24": ("PCM_24",),
    "32": ("PCM_32",),
    "FLOAT32": ("FLOAT",),
    "FLOAT64": ("DOUBLE",),
    "ALAC": ("ALAC_16",),
    "MP3": ("MPEG_LAYER_III",),
}

_BITS = re.compile(r"(?:pcm_?)?(?:s(?!8))?([su]?8|16|24|32)(?:_?bits?|le|be)?")

_ALL_TAGS = frozenset(
    {"title", "copyright", "software", "artist", "comment", "date", "album", "license", "tracknumber", "genre"}
)
_INFO_TAGS = _ALL_TAGS - {"license"}
_AIFF_TAGS = frozenset({"title", "copyright", "software", "artist", "comment"})
_MP3_TAGS = _ALL_TAGS - {"copyright", "software", "license"}
_NO_TAGS: frozenset[str] = frozenset()

_PCM = ("PCM_16", "PCM_24", "PCM_32", "PCM_U8", "FLOAT", "DOUBLE", "ULAW", "ALAW")
_PCM_SIGNED = ("PCM_16", "PCM_24", "PCM_32", "PCM_S8", "FLOAT", "DOUBLE", "ULAW", "ALAW")
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)


@dataclass(frozen=True)
class Container:
    """A row of the table.

    word            what `--format` calls it.
    major           libsndfile's name.
    extensions      names that mean it; the first is given to new files.
    subtypes        what it can hold; the first is the default.
    tags            the tags it keeps.
    text_encoding   of the tags; "" for whatever bytes there are.
    text_bytes      what one of them may take, None for any: what is longer libsndfile cannot read back.
    rates_hz        the only allowed rates, or empty for any up to `max_rate_hz`.
    size_limit      the largest file in bytes, 0 for none.
    """

    word: str
    major: str
    extensions: tuple[str, ...]
    subtypes: tuple[str, ...]
    tags: frozenset[str] = _NO_TAGS
    text_encoding: str = ""
    text_bytes: int | None = None
    max_channels: int = MAX_CHANNELS
    max_rate_hz: int = MAX_RATE_HZ
    rates_hz: tuple[int, ...] = ()
    size_limit: int = 0
    holds_0_frames: bool = True


CONTAINERS: tuple[Container, ...] = (
    # WAV has no size limit here: beyond 4 GiB the writer makes it RF64, see writer.py.
    Container("wav", "WAV", (".wav", ".wave", ".bwf"), _PCM, _INFO_TAGS, text_bytes=2000),
    Container("rf64", "RF64", (".rf64",), _PCM, _INFO_TAGS, text_bytes=2000),
    Container("w64", "W64", (".w64",), _PCM),
    # The rate is an 80-bit float in AIFF; libsndfile gets it wrong from about 800 MHz on.
    Container("aiff", "AIFF", (".aiff", ".aif", ".aifc"), (*_PCM_SIGNED, "PCM_U8"), _AIFF_TAGS,
              text_bytes=8000, max_rate_hz=500_000_000, size_limit=RIFF_LIMIT_BYTES),
    Container("caf", "CAF", (".caf",), (*_PCM_SIGNED, "ALAC_16"), _ALL_TAGS, "utf-8", text_bytes=1600),
    Container("flac", "FLAC", (".flac",), ("PCM_16", "PCM_24", "PCM_S8"), _ALL_TAGS, "utf-8", text_bytes=1 << 20,
              max_channels=8, max_rate_hz=655350, holds_0_frames=False),
    Container("ogg", "OGG", (".ogg", ".oga"), ("VORBIS", "OPUS"), _ALL_TAGS, "utf-8", text_bytes=5000, max_channels=255,
              max_rate_hz=200_000),
    Container("opus", "OGG", (".opus",), ("OPUS",), _ALL_TAGS, "utf-8", text_bytes=5000, max_channels=255,
              rates_hz=_OPUS_RATES, holds_0_frames=False),
    # LAME says of every text that it is Latin-1.
    Container("mp3", "MP3", (".mp3",), ("MPEG_LAYER_III",), _MP3_TAGS, "latin-1", max_channels=2,
              rates_hz=_MP3_RATES, holds_0_frames=False),
    Container("au", "AU", (".au", ".snd"), _PCM_SIGNED, size_limit=RIFF_LIMIT_BYTES),
    Container("nist", "NIST", (".nist", ".sph"), ("PCM_16", "PCM_24", "PCM_32", "PCM_S8", "ULAW", "ALAW"),
              size_limit=RIFF_LIMIT_BYTES),
    # VOC could hold 8 bits too, but then only rates of 1 MHz over an integer: 48 kHz would become 48012 Hz. u-law and
    # A-law come back from libsndfile with one frame more than was written.
    Container("voc", "VOC", (".voc",), ("PCM_16",), max_channels=2, max_rate_hz=200_000,
              size_limit=2**24 - 2**12),
    Container("svx", "SVX", (".8svx", ".svx", ".iff"), ("PCM_16", "PCM_S8"), max_channels=1, max_rate_hz=65535,
              size_limit=RIFF_LIMIT_BYTES),
)

# Extensions of what only FFmpeg decodes (see foreign.py), and the format of outputs where there is none of that name.
FOREIGN = {
    **dict.fromkeys((".3ga", ".aac", ".ac3", ".adts", ".asf", ".eac3", ".m4a", ".m4b", ".m4r", ".mka", ".mkv", ".mov",
                     ".mp4", ".webm", ".wma"), ".wav"),
    **dict.fromkeys((".alac", ".ape", ".tta", ".wv"), ".flac"),
}
# Extensions of MPEG audio that is read and cannot be written, and those of outputs made of it.
READ_ONLY = dict.fromkeys((".mp2", ".mpa", ".mpga"), ".wav")
# What other tools write, and what can be written instead.
_ELSEWHERE = {
    **dict.fromkeys(("aac", "m4a", "m4b", "mp4", "mov", "wma", "ac3", "eac3", "dts", "amr", "mp2", "mka", "webm"),
                    "opus, ogg or mp3"),
    **dict.fromkeys(("wv", "wavpack", "ape", "tta", "shn", "mkv"), "flac"),
    **dict.fromkeys(("raw", "pcm", "s16", "s16le", "f32", "f32le"), "wav or au"),
    "vorbis": "ogg",
    "alac": "caf (--subtype alac) or flac",
}
_BY_EXTENSION = {extension: row for row in CONTAINERS for extension in row.extensions}
_BY_WORD = {row.word: row for row in CONTAINERS}


class SourceFacts(Protocol):
    """What `choose_output` asks of an input; `FileFacts` has it."""

    @property
    def fs(self) -> int: ...
    @property
    def channels(self) -> int: ...
    @property
    def container(self) -> str: ...
    @property
    def subtype(self) -> str: ...
    @property
    def channel_map(self) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class Encoding:
    """How an encoder is set: libsndfile's compression level (None for its own) and mode of bit rate, and in words."""

    level: float | None
    mode: str
    words: str


@dataclass(frozen=True)
class OutputFormat:
    """How an output is stored, and in which form its writer wants the samples."""

    container: Container
    major: str
    subtype: str
    sample_format: SampleFormat
    channel_map: tuple[int, ...] = field(default=())
    encoding: Encoding | None = None

    @property
    def is_lossless(self) -> bool:
        """What is read back must be what was written, sample for sample."""
        return self.subtype not in LOSSY

    @property
    def bytes_per_sample(self) -> int:
        """Bytes a sample takes; for compressed formats an upper estimate."""
        size = _SUBTYPES[self.subtype][0]
        return size or (2 if self.subtype.startswith("ALAC") else 1)

    def __str__(self) -> str:
        encoding = f", {self.encoding.words}" if self.encoding is not None else ""
        return f"{self.container.word.upper()} {self.subtype}{encoding}"


def is_audio_name(path: str | Path) -> bool:
    """Whether the name says that it is a sound file."""
    return Path(path).suffix.lower() in _BY_EXTENSION


def extension_of(word: str) -> str:
    """The extension, with its dot, of what `--format` calls `word`."""
    return _container_named(word).extensions[0]


def tag_words() -> frozenset[str]:
    """libsndfile's names of tags."""
    return _ALL_TAGS


def format_words() -> tuple[str, ...]:
    return tuple(_BY_WORD)


def read_format(subtype: str) -> SampleFormat:
    """How the samples of a subtype are best read: without loss, in the smallest type."""
    return _SUBTYPES.get(subtype, (0, INT16))[1]


def sample_bytes(subtype: str) -> int:
    """Bytes a sample takes in a file, 0 where there is no fixed number."""
    return _SUBTYPES.get(subtype, (0, INT16))[0]


def choose_output(path: str | Path, source: SourceFacts, format_word: str | None = None,
                  subtype_word: str | None = None) -> OutputFormat:
    """The format of the output `path` (its name decides the container) made from `source`.

    The sample format is kept where the container can hold it, else the nearest that loses nothing, else the
    nearest. Raises UsageError for words that make no sense, FileError where the container cannot hold this source.
    """
    container = _container_of(Path(path), format_word)
    subtype = _subtype_of(container, source.subtype, subtype_word)
    _check_limits(container, subtype, source)
    sample_format = read_format(subtype)
    if not sample_format.is_integer and subtype in LOSSY:
        sample_format = SampleFormat(sample_format.dtype, limit=True)
    return OutputFormat(container, _major_of(container, source, subtype), subtype, sample_format, source.channel_map)


def plain_subtype(word: str) -> str:
    """The one spelling of what --subtype means: 24 for 24bit, 24-bit, pcm_24 and s24le."""
    name = word.strip().lower().replace("-", "_").replace(" ", "_")
    bits = _BITS.fullmatch(name)
    return bits[1] if bits else name


def check_words(path: str | Path, format_word: str | None, subtype_word: str | None, rate_option: str = "") -> None:
    """Raise the UsageError that `choose_output` would raise for any source, or that `rate_option` deserves."""
    if format_word is None and not is_audio_name(path):
        return
    container = _container_of(Path(path), format_word)
    if rate_option and (name := without_rate(path, format_word)):
        raise UsageError(f"{rate_option} is for MP3, Vorbis and Opus; {name} has no bit rate to choose")
    if subtype_word is not None:
        _subtype_of(container, "", subtype_word)


def without_rate(path: str | Path, format_word: str | None) -> str:
    """The name of the container that `path` gets, where that has no bit rate to choose; else ""."""
    if format_word is None and not is_audio_name(path):
        return ""
    container = _container_of(Path(path), format_word)
    return "" if RATED.intersection(container.subtypes) else container.word.upper()


def not_written(word: str) -> str:
    """What is to be said of a format that other tools write, "" of any other word."""
    name = word.lower().lstrip(".")
    return f"{name.upper()} is not written here; use {_ELSEWHERE[name]} instead" if name in _ELSEWHERE else ""


def _container_named(word: str) -> Container:
    try:
        return _BY_WORD[word.lower().lstrip(".")]
    except KeyError:
        by_extension = _BY_EXTENSION.get("." + word.lower().lstrip("."))
        if by_extension is None:
            raise UsageError(not_written(word) or f"unknown format {word!r}; there are {', '.join(_BY_WORD)}"
                             ) from None
        return by_extension


def _container_of(path: Path, word: str | None) -> Container:
    extension = (path.suffix or path.name).lower()
    by_name = _BY_EXTENSION.get(extension)
    if word is None:
        if by_name is None:
            known = " ".join(_BY_EXTENSION)
            raise FileError(not_written(extension) or
                            f"no audio format has the extension of {path.name}; known are {known}, or use --format")
        return by_name
    asked = _container_named(word)
    if by_name not in (None, asked) and not (asked.word == "rf64" and by_name is _BY_WORD["wav"]):
        raise UsageError(f"{path.name} would not be {asked.word.upper()}, as --format says; "
                         f"name it {path.stem}{asked.extensions[0]}")
    return asked


def _subtype_of(container: Container, source: str, word: str | None) -> str:
    if word is None:
        wishes: Sequence[str] = (source, *_NEAREST.get(source, ()))
    else:
        name = plain_subtype(word).upper()
        wishes = _SUBTYPE_WORDS.get(name, (name,))
    for wish in wishes:
        if wish in container.subtypes:
            return wish
    if word is not None:
        raise UsageError(f"{container.word.upper()} cannot hold {word}; it can hold {', '.join(container.subtypes)}")
    return container.subtypes[0]


def _check_limits(container: Container, subtype: str, source: SourceFacts) -> None:
    name, fs = container.word.upper(), source.fs
    rates = _OPUS_RATES if subtype == "OPUS" else container.rates_hz
    max_channels = 8 if subtype == "ALAC_16" else container.max_channels
    if source.channels > max_channels:
        held = {1: "1 channel", 2: "1 or 2 channels"}.get(max_channels, f"1 to {max_channels} channels")
        raise FileError(f"{name} holds {held}, not {source.channels}")
    if rates and fs not in rates:
        raise FileError(f"{name if subtype != 'OPUS' else 'Opus'} cannot have a sample rate of {fs} Hz, only of "
                        f"{', '.join(map(str, rates))} Hz")
    if fs > container.max_rate_hz:
        raise FileError(f"{name} cannot have a sample rate of {fs} Hz, only up to {container.max_rate_hz} Hz")
    if container.word == "flac" and fs > 65535 and fs % 10:
        # The frame header of the streamable subset has 16 bits for the rate, in Hz or in tens of Hz.
        raise FileError(f"FLAC cannot have a sample rate of {fs} Hz: above 65535 Hz it must be a multiple of 10")


def _major_of(container: Container, source: SourceFacts, subtype: str) -> str:
    """WAV with a channel mask (WAVEX) where the source has one, or more than mono or stereo from elsewhere."""
    if container.major != "WAV" or source.container in ("WAV", "NIST"):
        return container.major
    is_told = source.channels > 2 or mask_of(source.channel_map) not in PLAIN_MASKS
    extensible = source.container in ("WAVEX", "RF64") or is_told
    return "WAVEX" if extensible and source.channel_map else container.major
