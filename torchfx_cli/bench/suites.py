"""What is computed: the chains of the suites, and the sizes that each is measured at; `loads` has the sound.

    fir    five windowed low-passes of 101 to 105 taps
    iir    two Butterworth and two Chebyshev-I filters of order 2
    api    six such filters on 8 channels x 120 s, written in the ways that the library offers
    io     the filters of iir, a file through `torchfx process` in a new process
    chain  any chain, on noise or on a file
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from torchfx_cli.bench.records import FS
from torchfx_cli.chain.parse import join
from torchfx_cli.chain.spec import ChainSpec, design_chain
from torchfx_cli.design.stages import Gain, Sections, Stage, Sum, Taps, linear
from torchfx_cli.errors import UsageError
from torchfx_cli.plan.unmeasured import unmeasured
from torchfx_cli.samples import Signal

FIR = ("fir:lowpass=1000,taps=101", "fir:lowpass=5000,taps=102", "fir:lowpass=1500,taps=103",
       "fir:lowpass=1800,taps=104", "fir:lowpass=1850,taps=105")
IIR = ("highpass:1000", "lowpass:5000", "highpass:cutoff=1500,family=chebyshev1,ripple=0.5",
       "lowpass:cutoff=1800,family=chebyshev1,ripple=0.5")
API = (*(f"highpass:cutoff={hz},family=chebyshev1,ripple=0.5" for hz in (20, 60, 65)),
       *(f"lowpass:{hz}" for hz in (5000, 4900, 4850)))
VARIANTS = ("class", "sequential", "pipe")
HEARS_FIRST = "has to hear the whole file first, which no backend does"
END_TO_END = "end to end"  # the label of what is planned of io; its parts come with it


@dataclass(frozen=True)
class Suite:
    """A chain and the sizes that it is measured at; `variants` are labels of the torch backends' cells.

    words     the chain as options of `torchfx process`.
    source    the user's own file instead of noise; `fs` and the sizes are then the file's.
    kind      sound in memory, or whole programs from file to file: `torchfx process`, or others beside it.
    backends  those that can do it; empty for all.
    """

    name: str
    chain: ChainSpec
    words: tuple[str, ...]
    durations_s: tuple[float, ...]
    channels: tuple[int, ...]
    variants: tuple[str, ...] = ("",)
    fs: int = FS
    source: Path | None = None
    kind: Literal["memory", "process", "files"] = "memory"
    backends: tuple[str, ...] = ()

    def stages(self, channels: int) -> tuple[Stage, ...]:
        """Designed for `channels`; delays stay in, as `lfilter` has no word for their removal.

        Without those of `left_out`. Raises DesignError, and UsageError where none is left, or whole programs are run.
        """
        designed = list(self._designed(channels))
        found = tuple(stage for stage, is_heard_first in designed if not is_heard_first)
        if (len(found) < len(designed) and self.kind != "memory") or (designed and not found):
            raise UsageError(f"{self.name}: {self.left_out(channels)[0]} {HEARS_FIRST}; leave it out")
        return undelayed(found)

    def left_out(self, channels: int) -> tuple[str, ...]:
        """The stages that are not measured, as they have to hear the whole file first."""
        return tuple(stage.label for stage, is_heard_first in self._designed(channels) if is_heard_first)

    def _designed(self, channels: int) -> Iterator[tuple[Stage, bool]]:
        """All stages, and whether they have to hear the whole file first."""
        source = Signal(self.fs, channels)
        for stage in design_chain(self.chain, self.fs, channels):
            yield stage, any(unmeasured((stage,), source))
            source = stage.output(source)

    @property
    def fingerprint(self) -> str:
        """What tells the filters and the input from any others."""
        stages = self.stages(self.channels[0])
        if all(stage.is_linear for stage in stages):
            digest = hashlib.sha256(b"".join(stage.build(_Numbers()) for stage in linear(stages))).hexdigest()[:16]
        else:
            digest = self.chain.digest[:16]
        return f"{digest} on {self.source.name}" if self.source else digest


def undelayed(stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """The same with all delay left in."""
    return tuple(linear([stage])[0].undelayed() if stage.is_linear else stage for stage in stages)


class _Numbers:
    """A `Builder` of the bytes that tell a linear stage from others."""

    def sections(self, stage: Sections) -> bytes:
        return b"sections" + stage.sos.tobytes()

    def taps(self, stage: Taps) -> bytes:
        return b"taps" + stage.taps.tobytes()

    def gain(self, stage: Gain) -> bytes:
        return repr(stage).encode()

    def sum(self, stage: Sum) -> bytes:
        rows = (b"".join(part.build(self) for part in row) for row in stage.rows)
        return b"sum" + b"+".join(rows)


def written(effects: Sequence[str]) -> tuple[ChainSpec, tuple[str, ...]]:
    """A chain of `effects`, and the options of `torchfx process` that say it."""
    return join([], list(effects)), tuple(word for effect in effects for word in ("-e", effect))


CHANNELS = (1, 2, 4, 8, 12)
SUITES = {suite.name: suite for suite in (
    Suite("fir", *written(FIR), (5.0, 60.0, 180.0, 300.0, 600.0), CHANNELS),
    Suite("iir", *written(IIR), (1.0, 5.0, 180.0, 300.0, 600.0), CHANNELS),
    Suite("api", *written(API), (120.0,), (8,), VARIANTS),
    Suite("io", *written(IIR), (5.0, 60.0, 600.0), (1, 2, 8), (END_TO_END,), kind="process",
          backends=("cuda", "native")),
)}


TOLD = {
    "fir": "five FIR low-passes of 101 to 105 taps",
    "iir": "four filters of order 2: two Butterworth, two Chebyshev",
    "api": "six filters of order 2, written in the ways that the library offers",
    "io": "torchfx process, file to file, with the filters of iir",
}


def suite_of(name: str) -> Suite:
    """One of `SUITES`."""
    if name not in SUITES:
        raise UsageError(f"--suite: found {name!r}; allowed are {', '.join(SUITES)}, or a chain of your own with "
                         "--chain")
    return SUITES[name]


def beside(suite: Suite, backends: Iterable[str]) -> Suite:
    """The same chain and sizes from file to file, by the programs `backends`."""
    return replace(suite, name=f"{suite.name}, file to file", kind="files", variants=("",), backends=tuple(backends))
