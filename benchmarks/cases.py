"""Chains for every kind of stage, family and shipped preset: what the accuracy and GPU checks go through."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

from torchfx_cli.chain.parse import join, load_chain, parse_chain
from torchfx_cli.chain.presets import list_presets
from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.effects.classical import FAMILIES
from torchfx_cli.effects.table import KINDS

RATES = (8_000, 44_100, 48_000, 96_000, 192_000)

EFFECTS = (
    "highpass:cutoff=20",
    "highpass:cutoff=20,order=8",
    "lowpass:cutoff=3 kHz,q=2",
    *(f"lowpass:cutoff=1 kHz,order=4,family={family}" for family in FAMILIES),
    *(f"bandpass:low=300,high=3 kHz,order=3,family={family}" for family in FAMILIES[:5]),
    "bandstop:low=45,high=55,order=2",
    "bandpass:frequency=1 kHz,q=5",
    "peaking:frequency=100,gain=6,q=1",
    "low_shelf:frequency=150,gain=6",
    "high_shelf:frequency=2 kHz,gain=-6,order=1",
    "notch:50",
    "allpass:700",
    "dc_block",
    "analog:poles=[50.05, 2122.07],zeros=[500.5]",
    "fir:lowpass=3 kHz,taps=31",
    "fir:lowpass=3 kHz,taps=511,align=true",
    "fir:highpass=100,taps=4001,window=kaiser",
    "gain:-3.7",
    "invert",
    "normalize:-1",
)


def kinds() -> dict[str, ChainSpec]:
    """Every kind of stage -> the example of its documentation."""
    folder = _folder_of_examples().name
    return {kind: parse_chain(f"chain:\n  {KINDS[kind].example}\n", f"{kind}.yaml", folder) for kind in KINDS}


def variants() -> dict[str, ChainSpec]:
    """Families, orders, windows and the presets -> their chains."""
    chains = {effect: join([], [effect]) for effect in EFFECTS}
    return chains | {preset.name: load_chain(preset.path) for preset in list_presets()}


def all_chains() -> dict[str, ChainSpec]:
    """Name -> chain."""
    return variants() | kinds()


@lru_cache(maxsize=1)
def _folder_of_examples() -> TemporaryDirectory[str]:
    """With the impulse response that an example names; it is there until the program ends."""
    folder = TemporaryDirectory(prefix="torchfx-cases-")
    response = np.random.default_rng(1).uniform(-0.1, 0.1, (500, 2))
    soundfile.write(Path(folder.name, "hall.wav"), response, 44_100, "DOUBLE")
    return folder
