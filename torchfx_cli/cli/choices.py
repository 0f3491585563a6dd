"""The options that several commands share, declared once: name, value and help."""

from __future__ import annotations

from typing import Annotated

import typer

from torchfx_cli.cli import complete, options
from torchfx_cli.samples import STARTS

Chain = Annotated[list[str] | None, typer.Option(
    "--chain", "-c", metavar="FILE|PRESET", autocompletion=complete.preset_names,
    help="Chain to apply: a YAML file or the name of a preset. Several are applied in a row.")]
Effect = Annotated[list[str] | None, typer.Option(
    "--effect", "-e", metavar="EFFECT", autocompletion=complete.effects,
    help='One stage, after the chains: "highpass:cutoff=80,order=4", "gain:-3".')]
Rate = Annotated[str | None, typer.Option(
    metavar="HZ", help="New sample rate, behind the chain and --mono: 16000, 16k.")]
Mono = Annotated[bool, typer.Option("--mono", help="Mean of all channels, behind the chain.")]
Normalize = Annotated[str | None, typer.Option(
    metavar="DBFS", help="Bring the highest peak to a level, last of all.")]
Loudness = Annotated[str | None, typer.Option(
    metavar="LUFS", help="Bring the file to a loudness (BS.1770), last of all.")]
Output = Annotated[str | None, typer.Option(
    "--output", "-o", metavar="PATH",
    help="Output file or folder; without it, processed/ beside each input. - is the standard output.")]
Name = Annotated[str | None, typer.Option(
    metavar="TEMPLATE", help="Name of each output: '{stem}.{chain}{ext}'; without it, that of the input.")]
Include = Annotated[list[str] | None, typer.Option(
    metavar="PATTERN", help="Of what is found in folders, take only names that match; may be repeated.")]
Exclude = Annotated[list[str] | None, typer.Option(
    metavar="PATTERN", help="Of what is found in folders, leave out names that match; may be repeated.")]
Device = Annotated[str, typer.Option(
    metavar="auto|cpu|cuda[:N]", autocompletion=complete.words("auto", "cpu", "cuda"), help="Where to compute.")]
Engine = Annotated[str, typer.Option(
    metavar="|".join(options.ENGINES), autocompletion=complete.words(*options.ENGINES),
    help="What to compute with.")]
Chunk = Annotated[str | None, typer.Option(
    metavar="SECONDS", help="Audio held at a time; it never changes the result.")]
Jobs = Annotated[str | None, typer.Option(
    "--jobs", "-j", metavar="N", help="Files at a time; without it, one a core, with torch one.")]
Timeout = Annotated[str | None, typer.Option(
    metavar="SECONDS", help="A file that takes longer fails; without it, there is no limit.")]
Format = Annotated[str | None, typer.Option(
    metavar="NAME", help="Output format: wav, flac, ogg, ... Without it, that of the name.")]
Subtype = Annotated[str | None, typer.Option(
    metavar="NAME", help="Output samples: 16, 24, 32, float, ... Without it, those of the input.")]
Bitrate = Annotated[str | None, typer.Option(
    metavar="KBIT/S", help="Bit rate of MP3, Vorbis and Opus; without it, about that of a lossy input.")]
Quality = Annotated[str | None, typer.Option(
    metavar="0..10", help="The same by quality, 10 best; of MP3 the variable rate V0 is 10.")]
Dither = Annotated[str, typer.Option(
    metavar="|".join(options.DITHERS), autocompletion=complete.words(*options.DITHERS),
    help="Dither to 16 bits and fewer; auto: where samples change.")]
Tail = Annotated[str, typer.Option(
    metavar="SECONDS|auto", help="Let the chain ring out after the end of the input.")]
Start = Annotated[str | None, typer.Option(
    metavar="|".join(STARTS), autocompletion=complete.words(*STARTS),
    help="How filters begin: at rest, or steady, as if the first sample had always been; without it, as in the chain.")]
OnNan = Annotated[str, typer.Option(
    "--on-nan", metavar="|".join(options.ON_NAN), autocompletion=complete.words(*options.ON_NAN),
    help="Input samples that are no numbers: the file fails, or they are replaced.")]
OnTruncated = Annotated[str, typer.Option(
    "--on-truncated", metavar="|".join(options.ON_TRUNCATED), autocompletion=complete.words(*options.ON_TRUNCATED),
    help="An input that is cut off: the file fails, or what there is of it is kept, with a warning.")]
OnClip = Annotated[str, typer.Option(
    "--on-clip", metavar="|".join(options.ON_CLIP), autocompletion=complete.words(*options.ON_CLIP),
    help="An output above full scale: the file fails, is clipped with a warning, or is turned down as a whole.")]
KeepMtime = Annotated[bool, typer.Option("--keep-mtime", help="Give outputs the time of their inputs.")]
NoTags = Annotated[bool, typer.Option("--no-tags", help="Leave titles, pictures and marker chunks behind.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")]
SkipExisting = Annotated[bool, typer.Option("--skip-existing", help="Leave outputs that exist alone.")]
Strict = Annotated[bool, typer.Option("--strict", help="Let a file with a warning fail.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON record a file on stdout, as they end.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Tell of failures only.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell the plan of each file too.")]
