"""A chain in the words of another program, for one sample rate."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.design.stages import Builder, Gain, Linear, linear
from torchfx_cli.errors import ChainError, DesignError, printable
from torchfx_cli.exchange.words import ApoWords, CamillaWords, CannotSayError, FfmpegWords, SoxWords, built_of
from torchfx_cli.plan.fuse import fuse_linear
from torchfx_cli.samples import Signal, hertz

Words = Builder[list[str]]


def exported(chain: ChainSpec, program: str, fs: float) -> str:
    """What `program` is told. Raises ChainError with every stage that would not be the same sound there."""
    words, say = PROGRAMS[program]
    stages: list[Linear] = []
    problems = []
    for spec in (spec for spec in chain.stages if not spec.is_bypassed):
        try:
            for channels in (1,) if spec.is_filter else (2, 1):  # nothing on mono may be something on stereo
                stage = spec.design(Signal(fs, channels))
                built_of(stage, words)
            stages += linear([stage])
        except DesignError as error:
            problems.append(str(error))
        except CannotSayError as error:
            problems.append(f"{spec.origin}: {program} has no words for this: {error}")
    if problems:
        raise ChainError(problems)
    return say(chain.name, stages or [Gain(1.0)], fs)  # an empty -af is an error of ffmpeg's


def _words_of(stages: Sequence[Linear], words: Words) -> list[str]:
    return [word for stage in stages for word in stage.build(words)]


def _sox(name: str, stages: Sequence[Linear], fs: float) -> str:
    """Several impulse responses become one, or each would cut off the beginning of the next one's."""
    fused = fuse_linear(stages) if sum(bool(stage.tap_count) for stage in stages) > 1 else stages
    if sum(bool(stage.tap_count) for stage in fused) > 1:
        raise ChainError(f"{name}: SoX cuts off the beginning of one impulse response in front of another")
    return " ".join(_words_of(fused, SoxWords())) + "\n"


def _ffmpeg(name: str, stages: Sequence[Linear], fs: float) -> str:
    return ",".join(_words_of(stages, FfmpegWords())) + "\n"


def _camilladsp(name: str, stages: Sequence[Linear], fs: float) -> str:
    filters = _words_of(stages, CamillaWords())
    names = [f"f{n}" for n in range(1, len(filters) + 1)]
    lines = [f"# {printable(name)}, for {hertz(fs)}. The rest of devices is yours to add.", "devices:",
             f"  samplerate: {fs:g}", "filters:", *map("  {}: {}".format, names, filters),
             "pipeline:", f"  - {{type: Filter, names: [{', '.join(names)}]}}"]
    return "\n".join(lines) + "\n"


def _apo(name: str, stages: Sequence[Linear], fs: float) -> str:
    return "\n".join([f"# {printable(name)}, for {hertz(fs)}", *_words_of(stages, ApoWords())]) + "\n"


PROGRAMS: dict[str, tuple[Words, Callable[[str, Sequence[Linear], float], str]]] = {
    "sox": (SoxWords(), _sox), "ffmpeg": (FfmpegWords(), _ffmpeg), "camilladsp": (CamillaWords(), _camilladsp),
    "apo": (ApoWords(), _apo),
}
