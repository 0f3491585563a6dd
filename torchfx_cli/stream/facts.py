"""What is known of an input before its samples are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torchfx_cli.records import dataclass
from torchfx_cli.samples import SampleFormat

OGG_FLAC = "Ogg FLAC"  # a container that libsndfile has no name for


@dataclass(frozen=True)
class FileFacts:
    """What is known of an input before its samples are read.

    container, subtype  libsndfile's names ("WAV", "PCM_24").
    frames              what the header promises, None where it says nothing or nonsense.
    sample_format       of the blocks.
    channel_map         libsndfile's speaker number of each channel, or ().
    file_bytes          size of the file.
    kbps                bit rate of MP3, Vorbis and Opus in kbit/s, None where unknown.
    """

    path: Path
    fs: int
    channels: int
    container: str
    subtype: str
    frames: int | None
    sample_format: SampleFormat
    tags: Mapping[str, str]
    channel_map: tuple[int, ...]
    file_bytes: int
    kbps: float | None = None

    @property
    def duration_s(self) -> float | None:
        return None if self.frames is None else self.frames / self.fs
