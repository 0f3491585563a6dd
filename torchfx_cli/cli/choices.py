"""The options that several commands share, declared once: name, value and help."""

from __future__ import annotations

from typing import Annotated

from torchfx_cli.cli import complete, options
from torchfx_cli.cli.helping import BATCH, CHAIN, COMPUTING, DIRTY, FORM, PLACE, TELLING, option
from torchfx_cli.samples import STARTS

Chain = Annotated[list[str] | None, option(CHAIN,
    "--chain", "-c", metavar="FILE|PRESET", autocompletion=complete.preset_names,
    help="YAML file or name of a preset; several are applied in a row.")]
Effect = Annotated[list[str] | None, option(CHAIN,
    "--effect", "-e", metavar="EFFECT", autocompletion=complete.effects,
    help='One stage, behind the chains: highpass:80, gain:-3.')]
Rate = Annotated[str | None, option(CHAIN,
    metavar="HZ", help="Sample rate, behind the chain and --mono: 16k.")]
Mono = Annotated[bool, option(CHAIN, "--mono", help="Mean of all channels, behind the chain.")]
Normalize = Annotated[str | None, option(CHAIN,
    metavar="DBFS", help="Bring the highest peak to a level, last.")]
Loudness = Annotated[str | None, option(CHAIN,
    metavar="LUFS", help="Bring the loudness (BS.1770) to a level, last.")]
Output = Annotated[str | None, option(PLACE,
    "--output", "-o", metavar="PATH",
    help="Output file or folder; without it, processed/ beside each input. - is the standard output.")]
Name = Annotated[str | None, option(PLACE,
    metavar="TEMPLATE", help="Name of each output, else that of its input: '{stem}.{chain}{ext}'.")]
Include = Annotated[list[str] | None, option(BATCH,
    metavar="PATTERN", help="Of folders, take only names that match.")]
Exclude = Annotated[list[str] | None, option(BATCH,
    metavar="PATTERN", help="Of folders, leave out names that match.")]
Device = Annotated[str, option(COMPUTING,
    metavar="auto|cpu|cuda[:N]", autocompletion=complete.words("auto", "cpu", "cuda"), help="Where to compute.")]
Engine = Annotated[str, option(COMPUTING,
    metavar="|".join(options.ENGINES), autocompletion=complete.words(*options.ENGINES),
    help="What to compute with.")]
Chunk = Annotated[str | None, option(COMPUTING,
    metavar="SECONDS", help="Audio held at a time; the result is the same.")]
Jobs = Annotated[str | None, option(BATCH,
    "--jobs", "-j", metavar="N", help="Files at a time, else one a core; with torch one.")]
Timeout = Annotated[str | None, option(BATCH,
    metavar="SECONDS", help="A file that takes longer fails.")]
Format = Annotated[str | None, option(FORM,
    metavar="NAME", help="wav, flac, mp3, ...; else that of the name.")]
Subtype = Annotated[str | None, option(FORM,
    metavar="NAME", help="16, 24, 32, float, ...; else that of the input.")]
Bitrate = Annotated[str | None, option(FORM,
    metavar="KBIT/S", help="Bit rate of MP3, Vorbis and Opus; else about that of a lossy input.")]
Quality = Annotated[str | None, option(FORM,
    metavar="0..10", help="The same by quality, 10 best; of MP3 the variable rate V0 is 10.")]
Dither = Annotated[str, option(FORM,
    metavar="|".join(options.DITHERS), autocompletion=complete.words(*options.DITHERS),
    help="Dither to 16 bits and fewer; auto: where samples change.")]
Tail = Annotated[str, option(CHAIN,
    metavar="SECONDS|auto", help="Let the chain ring out after the end of the input.")]
Start = Annotated[str | None, option(CHAIN,
    metavar="|".join(STARTS), autocompletion=complete.words(*STARTS),
    help="How filters begin: at rest, or steady, as if the first sample had always been; without it, as in the chain.")]
OnNan = Annotated[str, option(DIRTY,
    "--on-nan", metavar="|".join(options.ON_NAN), autocompletion=complete.words(*options.ON_NAN),
    help="Input samples that are no numbers: the file fails, or they are replaced.")]
OnTruncated = Annotated[str, option(DIRTY,
    "--on-truncated", metavar="|".join(options.ON_TRUNCATED), autocompletion=complete.words(*options.ON_TRUNCATED),
    help="An input that is cut off: the file fails, or what there is of it is kept, with a warning.")]
OnClip = Annotated[str, option(DIRTY,
    "--on-clip", metavar="|".join(options.ON_CLIP), autocompletion=complete.words(*options.ON_CLIP),
    help="An output above full scale: the file fails, is clipped with a warning, or is turned down as a whole.")]
KeepMtime = Annotated[bool, option(PLACE, "--keep-mtime", help="Give outputs the time of their inputs.")]
NoTags = Annotated[bool, option(FORM, "--no-tags", help="Leave titles, pictures and marker chunks behind.")]
Tag = Annotated[list[str] | None, option(FORM,
    "--tag", metavar="KEY=TEXT", help="Set a tag, such as title=Dawn; may be repeated, KEY= takes it away.")]
Cover = Annotated[str | None, option(FORM,
    metavar="FILE", help="Set the picture; '' takes all pictures away.")]
Overwrite = Annotated[bool, option(PLACE, "--overwrite", help="Replace outputs that exist.")]
SkipExisting = Annotated[bool, option(PLACE, "--skip-existing", help="Leave outputs that exist alone.")]
Strict = Annotated[bool, option(DIRTY, "--strict", help="Let a file with a warning fail.")]
Json = Annotated[bool, option(TELLING, "--json", help="Print a JSON record a file on stdout.")]
Quiet = Annotated[bool, option(TELLING, "--quiet", "-q", help="Tell of failures only.")]
Verbose = Annotated[bool, option(TELLING, "--verbose", "-v", help="Tell the plan of each file too.")]
