"""What is asked for, and one job of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from torchfx_cli import __version__
from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.plan.assemble import Dither
from torchfx_cli.records import dataclass
from torchfx_cli.samples import Start
from torchfx_cli.stream.bitrate import AS_INPUT, RateWish
from torchfx_cli.stream.tagchanges import NO_CHANGES, TagChanges
from torchfx_cli.tasks.urls import Url, bytes_of

if TYPE_CHECKING:
    from torchfx_cli.tasks.inspection import Asked
    from torchfx_cli.tasks.shards import Shard

OnNan = Literal["fail", "repair"]
OnTruncated = Literal["fail", "keep"]
OnClip = Literal["fail", "keep", "attenuate"]


@dataclass(frozen=True)
class Settings:
    """What is asked for, the same for every file of the run: how outputs are to be, then how the run goes about it.

    start         how filters begin; None: as the chain says.
    on_nan        non-finite samples of the input: the file fails, or they are replaced.
    on_truncated  an input that is cut off: the file fails, or what there is of it is done, with a warning.
    on_clip       an output above full scale: the file fails, is clipped with a warning, or is turned down as a whole.
    keep_mtime    outputs get the time of their inputs.
    tags          outputs get those of their inputs, and `changes` in any case.
    noted         the name of the journal in their root in which outputs are noted before they get their names; with
                  `hashes`, by content.
    is_batch      noted in the journal; otherwise a file or two, without one where none is kept.
    jobs          files at a time.
    resume        leave out what the journal says was done.
    shard         which part of a batch the run does; its jobs are only those of it.
    cluster       the address of the Dask scheduler whose workers do the files, see `cluster`; "" for this machine.
    fail_fast     the first failed file ends the run.
    timeout_s     for one file; None for no limit.
    fresh         workers are new interpreters, as torch needs, and a single file is done in this process.
    bundled       short files are done many at a time; see `bundle.is_bundled`.
    album         the files of a folder are measured together, see `albums`.
    remote        some files are named by a URL, see `staging`; what is fetched takes at most `scratch_bytes` here.
    measures      files are only measured now, for their album.
    glances       results tell what input and output sound like, for a report.
    digests       results tell the SHA-256 of the output.
    inspects      files are only read, to answer this.
    poll_s, once  of a watch: the time between two looks; end when nothing is left to do.
    """

    chain: ChainSpec
    device: str = "auto"
    engine: str = "auto"
    chunk_s: float | None = None
    format: str | None = None
    subtype: str | None = None
    rate: RateWish = AS_INPUT
    dither: Dither = "auto"
    tail_s: float | Literal["auto"] = 0.0
    start: Start | None = None
    overwrite: bool = False
    skip_existing: bool = False
    strict: bool = False
    on_nan: OnNan = "fail"
    on_truncated: OnTruncated = "keep"
    on_clip: OnClip = "keep"
    keep_mtime: bool = False
    tags: bool = True
    changes: TagChanges = NO_CHANGES
    noted: str = ""
    hashes: bool = False
    is_batch: bool = False
    jobs: int = 1
    resume: bool = False
    shard: Shard | None = None
    cluster: str = ""
    fail_fast: bool = False
    timeout_s: float | None = None
    fresh: bool = False
    bundled: bool = False
    album: bool = False
    remote: bool = False
    scratch_bytes: int | None = None
    measures: bool = False
    glances: bool = False
    digests: bool = False
    inspects: Asked | None = None
    poll_s: float = 1.0
    once: bool = False

    @property
    def work(self) -> str:
        """Digest of all that shapes an output; the device does not, nor the chunk."""
        import hashlib

        shaping = (
            __version__, self.chain.digest, self.format, self.subtype, self.rate, self.dither, self.tail_s,
            self.start or self.chain.start, self.on_nan, self.on_truncated, self.on_clip, self.keep_mtime, self.tags,
            self.changes,
        )
        return hashlib.sha256(repr(shaping).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Job:
    """One input and its output.

    skip       why it is not to be done.
    fault      why it cannot be done: it fails, unopened.
    root       the output folder of the run, below which folders may be made; None for an output that was named.
    overwrite  this output may be replaced, whatever the settings say.
    number     of the input, where outputs are numbered and that is to be kept.
    readings   what the meters of stages that are shared read of the album of the input, in the order of the chain.
    values     tags of this output, (key, text) as in `TagChanges`; what the settings say goes over them.
    backup     where the old bytes are kept of an input that is its own output.
    stamp      of an input that is named by a URL, when it was listed, see `storage`.
    origin     such an input, where `source` is what was fetched of it.
    has_backup they are there already, as a killed run has left them.
    """

    source: Path
    output: Path
    skip: str | None = None
    root: Path | None = None
    overwrite: bool = False
    backup: Path | None = None
    has_backup: bool = False
    fault: str | None = None
    number: int | None = None
    readings: tuple[Any, ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    stamp: str = ""
    origin: Url | None = None

    @property
    def is_remote(self) -> bool:
        """Whether it is named by a URL, or its output is."""
        return isinstance(self.source, Url) or isinstance(self.output, Url)

    @property
    def input_bytes(self) -> int:
        """The size of the input; 0 where it is not known, which reading it will explain."""
        if isinstance(self.source, Url):
            return bytes_of(self.stamp)
        try:
            return os.stat(self.source).st_size
        except (OSError, ValueError):
            return 0

    def work(self, work: str) -> str:
        """The digest `work` of the settings, and of what is the file's own: another gain or tag is other work."""
        own = (self.readings, self.values) if self.values else self.readings
        if not own:
            return work
        import hashlib

        return hashlib.sha256(repr((work, own)).encode()).hexdigest()[:16]

    def changes(self, settings: Settings) -> TagChanges:
        """The tags that its output gets, whatever its input says."""
        return settings.changes.over(TagChanges(self.values))
