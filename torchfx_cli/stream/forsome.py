"""Modules that only some files need, by what needs them, each loaded when something of it is first asked for.

A plain WAV that becomes another needs none, and each would cost its start a third of a millisecond.
"""

from __future__ import annotations

from torchfx_cli.later import Later

TABLE = {
    "AIFF": ("aiffsizes", "chantag"),
    "CAF": ("alac", "chantag"),
    "FLAC": ("flacstream", "taglist"),
    "MPEG": ("id3names", "mpegwalk"),
    "Ogg": ("oggserial", "oggsplice", "oggstream"),
    "SPHERE": ("sphere",),
    "decoded by FFmpeg": ("avsound", "foreign"),
    "tags beyond those of libsndfile": ("id3names", "richtags", "taglist", "textchunks"),
    "chunks of others, kept": ("append", "timedbroadcast"),
    "times that move": ("moving", "timeline"),
    "samples that are no numbers": ("repair",),
    "pipes": ("pipereader", "pipewriter"),
}

TYPE_CHECKING = False
if TYPE_CHECKING:
    from torchfx_cli.stream import aiffsizes as aiffsizes
    from torchfx_cli.stream import alac as alac
    from torchfx_cli.stream import append as append
    from torchfx_cli.stream import avsound as avsound
    from torchfx_cli.stream import chantag as chantag
    from torchfx_cli.stream import flacstream as flacstream
    from torchfx_cli.stream import foreign as foreign
    from torchfx_cli.stream import id3names as id3names
    from torchfx_cli.stream import moving as moving
    from torchfx_cli.stream import mpegwalk as mpegwalk
    from torchfx_cli.stream import oggserial as oggserial
    from torchfx_cli.stream import oggsplice as oggsplice
    from torchfx_cli.stream import oggstream as oggstream
    from torchfx_cli.stream import pipereader as pipereader
    from torchfx_cli.stream import pipewriter as pipewriter
    from torchfx_cli.stream import repair as repair
    from torchfx_cli.stream import richtags as richtags
    from torchfx_cli.stream import sphere as sphere
    from torchfx_cli.stream import taglist as taglist
    from torchfx_cli.stream import textchunks as textchunks
    from torchfx_cli.stream import timedbroadcast as timedbroadcast
    from torchfx_cli.stream import timeline as timeline
else:
    globals().update({name: Later(f"torchfx_cli.stream.{name}") for names in TABLE.values() for name in names})
