"""What is computed: the chains of the suites, and the sizes that each is measured at; `loads` has the sound.

    fir    five windowed low-passes of 101 to 105 taps
    iir    two Butterworth and two Chebyshev-I filters of order 2
    api    six such filters on 8 channels x 120 s, written in the ways that the library offers
    io     the filters of iir, a file through `torchfx process` in a new process
    chain  any chain, on noise or on a file
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from torchfx_cli.bench.records import FS
from torchfx_cli.chain.parse import parse_effect
from torchfx_cli.chain.spec import ChainSpec, design_chain
from torchfx_cli.design.stages import Sections, Stage, Taps
from torchfx_cli.errors import UsageError

FIR = ("fir:lowpass=1000,taps=101", "fir:lowpass=5000,taps=102", "fir:lowpass=1500,taps=103",
       "fir:lowpass=1800,taps=104", "fir:lowpass=1850,taps=105")
IIR = ("highpass:1000", "lowpass:5000", "highpass:cutoff=1500,family=chebyshev1,ripple=0.5",
       "lowpass:cutoff=1800,family=chebyshev1,ripple=0.5")
API = (*(f"highpass:cutoff={hz},family=chebyshev1,ripple=0.5" for hz in (20, 60, 65)),
       *(f"lowpass:{hz}" for hz in (5000, 4900, 4850)))
WAYS = ("class", "sequential", "pipe")
END_TO_END = "end to end"  # the label of what is planned of io; its parts come with it


@dataclass(frozen=True)
class Suite:
    """A chain and the sizes that it is measured at; `ways` are labels of the torch backends' cells.

    source    the user's own file instead of noise; `fs` and the sizes are then the file's.
    kind      sound in memory, or whole programs from file to file: `torchfx process`, or others beside it.
    backends  those that can do it; empty for all.
    """

    name: str
    chain: ChainSpec
    durations_s: tuple[float, ...]
    channels: tuple[int, ...]
    ways: tuple[str, ...] = ("",)
    fs: int = FS
    source: Path | None = None
    kind: Literal["memory", "process", "files"] = "memory"
    backends: tuple[str, ...] = ()

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """Designed; delays stay in, as `lfilter` has no word for their removal. UsageError for what is not linear."""
        designed = design_chain(self.chain, self.fs)
        for stage in designed:
            if not stage.is_linear:
                raise UsageError(f"{self.name}: {stage.label} is no filter that SciPy has, so there is nothing to "
                                 "compare with; leave it out")
        return tuple(replace(stage, delay_frames=0) if isinstance(stage, Taps) else stage for stage in designed)

    @property
    def fingerprint(self) -> str:
        """What tells the filters and the input from any others."""
        digest = hashlib.sha256(b"".join(_numbers(stage) for stage in self.stages)).hexdigest()[:16]
        return f"{digest} on {self.source.name}" if self.source else digest


CHANNELS = (1, 2, 4, 8, 12)
SUITES = ("fir", "iir", "api", "io")


def suite_of(name: str) -> Suite:
    """One of `SUITES`."""
    if name == "fir":
        return Suite(name, chain_of("fir", FIR), (5.0, 60.0, 180.0, 300.0, 600.0), CHANNELS)
    if name == "iir":
        return Suite(name, chain_of("iir", IIR), (1.0, 5.0, 180.0, 300.0, 600.0), CHANNELS)
    if name == "api":
        return Suite(name, chain_of("api", API), (120.0,), (8,), WAYS)
    if name == "io":
        return Suite(name, chain_of("io", IIR), (5.0, 60.0, 600.0), (1, 2, 8), (END_TO_END,), kind="process",
                     backends=("cuda", "native"))
    raise UsageError(f"--suite: found {name!r}; allowed are {', '.join(SUITES)}, or a chain of your own with --chain")


def beside(suite: Suite, backends: tuple[str, ...]) -> Suite:
    """The same chain and sizes from file to file, by the programs `backends`."""
    return replace(suite, name=f"{suite.name}, file to file", kind="files", ways=("",), backends=backends)


def chain_of(name: str, effects: tuple[str, ...]) -> ChainSpec:
    return ChainSpec(name, tuple(stage for effect in effects for stage in parse_effect(effect)))


def _numbers(stage: Stage) -> bytes:
    if isinstance(stage, Sections):
        return b"sections" + stage.sos.tobytes()
    return b"taps" + stage.taps.tobytes() if isinstance(stage, Taps) else repr(stage).encode()
