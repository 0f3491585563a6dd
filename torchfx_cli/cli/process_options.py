"""What the options of a command ask for, checked and put together."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torchfx_cli.chain.parse import join, load_chain
from torchfx_cli.chain.presets import find
from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.cli import options
from torchfx_cli.cli.shorthands import shorthands_of
from torchfx_cli.errors import UsageError
from torchfx_cli.records import dataclass
from torchfx_cli.samples import STARTS
from torchfx_cli.stream.formats import plain_subtype
from torchfx_cli.tasks import albums
from torchfx_cli.tasks.bundle import is_bundled
from torchfx_cli.tasks.job import Settings

if TYPE_CHECKING:
    from torchfx_cli.tasks.shards import Shard

NO_CHAIN = (
    "nothing to apply: give a chain (-c podcast-voice, -c eq.yaml), an effect (-e highpass:80), --mono, --rate, "
    "--normalize or --loudness, another --format or --subtype, a --tag, or an output with another extension; "
    "`torchfx presets` lists chains, `torchfx filters` effects"
)
NO_CHAIN_HERE = ("nothing to look at: give a chain file, a preset, or an effect (-e highpass:80); `torchfx presets` "
                 "lists presets")


@dataclass(frozen=True)
class ProcessOptions:
    """All that `process` is asked for; `settings` is what its run is to know. `jobs`: files at a time, if given."""

    settings: Settings
    inputs: list[str]
    files_from: str | None
    null: bool
    include: list[str]
    exclude: list[str]
    output: str | None
    name: str | None
    chain_word: str
    backup: str | None
    tags_from: str | None
    jobs: int | None
    report: str | None
    failed: str | None
    dry_run: bool
    as_json: bool
    quiet: bool
    verbose: bool


def chain_of(names: list[str], effects: list[str]) -> ChainSpec:
    """The chains `names`, files or presets, one after the other, and the `effects` behind them."""
    if not names and not effects:
        raise UsageError(NO_CHAIN_HERE)
    return join([load_chain(find(name)) for name in names], effects)


@dataclass(frozen=True)
class Asked:
    """What is to be applied, and what {chain} stands for in names of outputs."""

    spec: ChainSpec
    word: str


def asked_of(names: list[str], effects: list[str], *, converts: bool, hint: str = "", **shorthands: Any) -> Asked:
    """Chains, effects and `shorthands` (see `shorthands_of`) in a row; none is needed where the format `converts`.

    hint  on what may be missing where there is nothing at all.
    """
    behind = shorthands_of(**shorthands)
    if not (names or effects or behind or converts):
        raise UsageError(hint or NO_CHAIN)
    spec = join([load_chain(find(name)) for name in names], effects, behind)
    return Asked(spec, "+".join([word for word in (chain_word(names, effects), *behind) if word]) or "converted")


def check_album(settings: Settings, *, in_place: bool) -> None:
    """Raise UsageError where --album has no sense, or the files of one could get gains of their own."""
    if not settings.album:
        return
    if not albums.shared_stages(settings):
        raise UsageError("--album: nothing in the chain goes by the level of a whole file; add a normalize or a "
                         "loudness, such as --loudness -16")
    if settings.on_clip == "attenuate":
        raise UsageError("--album and --on-clip attenuate contradict each other: that turns down single files")
    if in_place and settings.resume:
        raise UsageError("--album cannot resume --in-place: files that were replaced have another level now")


def shard_asked(word: str | None) -> Shard | None:
    """The share of the batch that `word` of --shard means."""
    if word is None:
        return None
    from torchfx_cli.tasks.shards import shard_of

    return shard_of(word, os.environ)


def chain_word(names: list[str], effects: list[str]) -> str:
    """What {chain} stands for in names of outputs: `eq` for eq.yaml, `eq+voice` for two."""
    words = [os.path.splitext(os.path.basename(name))[0] for name in names]
    words += [effect.partition(":")[0] for effect in effects]
    return "+".join(words)


def settled(settings: Settings, engine: str, device: str, jobs: int | None, *, remote: bool = False) -> Settings:
    """`settings` with the engine and the device that were found for the run, and what follows from them.

    remote  some files are named by a URL: the threads that reach them do not survive a fork.
    """
    if settings.scratch_bytes is not None and not remote:
        raise UsageError("--scratch is for files that are fetched, and all of these are here")
    settings = replace(settings, engine=engine, device=device, fresh=engine == "torch" or remote, remote=remote,
                       jobs=jobs or options.usual_jobs(engine))
    return replace(settings, bundled=is_bundled(settings))


def settings_of(chain: ChainSpec, *, chunk: str | None, dither: str, tail: str, start: str | None, on_nan: str,
                on_truncated: str, on_clip: str, subtype: str | None, bitrate: str | None, quality: str | None,
                **plain: Any) -> Settings:
    """Settings of words as they were typed; raises UsageError."""
    return Settings(
        chain=chain,
        chunk_s=options.chunk_seconds(chunk),
        subtype=None if subtype is None else plain_subtype(subtype),
        rate=options.rate_wish(bitrate, quality),
        dither=options.one_of("--dither", dither, options.DITHERS),  # type: ignore[arg-type]
        tail_s=options.tail_seconds(tail),
        start=options.one_of("--start", start, STARTS) if start else None,  # type: ignore[arg-type]
        on_nan=options.one_of("--on-nan", on_nan, options.ON_NAN),  # type: ignore[arg-type]
        on_truncated=options.one_of("--on-truncated", on_truncated, options.ON_TRUNCATED),  # type: ignore[arg-type]
        on_clip=options.one_of("--on-clip", options.OLD_WORDS.get(on_clip, on_clip), options.ON_CLIP),  # type: ignore[arg-type]
        **plain,
    )
