"""The main job on a sound that is made here: a spoken-like voice with mains hum, rumble and hiss.

Writes demo/voice.wav, runs `torchfx process` on it with the shipped preset podcast-voice behind hum-removal-50hz, and
shows the level of what should have gone and of what should have stayed, measured in both files.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

FS = 48_000
SECONDS = 12
FOLDER = Path("demo")
COMMAND = Path(os.path.relpath(Path(sys.executable).with_name("torchfx")))
CHAINS = ("hum-removal-50hz", "podcast-voice")

# First three formants in Hz of a few vowels (Peterson & Barney 1952, men), spoken one after another.
VOWELS = (
    (730, 1090, 2440),
    (270, 2290, 3010),
    (570, 840, 2410),
    (530, 1840, 2480),
    (300, 870, 2240),
    (660, 1720, 2410),
)
BANDS = (
    ("rumble", 10, 40, "goes"),
    ("hum 50 Hz", 49, 51, "goes"),
    ("hum 100 Hz", 99, 101, "goes"),
    ("hum 150 Hz", 149, 151, "goes"),
    ("voice, body", 170, 1000, "stays"),
    ("voice, presence", 2000, 4000, "clearer"),
    ("hiss", 14_000, 20_000, "stays: no filter here reaches it"),
)


def voice(rng: np.random.Generator, seconds: float = SECONDS) -> np.ndarray:
    """[frames]: a buzz of falling pitch, shaped by formant resonators, in syllables."""
    time = np.arange(int(seconds * FS)) / FS
    pitch = 118 + 14 * np.sin(2 * np.pi * 0.45 * time) + 5 * np.sin(2 * np.pi * 5.1 * time)
    phase = np.cumsum(pitch) / FS
    buzz = sum(np.cos(2 * np.pi * k * phase) / k**1.1 for k in range(1, 36))
    syllable = (time * 3.2).astype(int)
    spoken = np.zeros_like(time)
    for index in range(syllable[-1] + 1):
        here = syllable == index
        if index % 9 != 8:  # a pause to breathe
            spoken[here] = formants(buzz[here], VOWELS[rng.integers(len(VOWELS))]) * np.hanning(here.sum())
    return 0.25 * spoken / np.abs(spoken).max()


def formants(buzz: np.ndarray, centres: tuple[int, ...]) -> np.ndarray:
    """`buzz` with the gain of a two-pole resonator at each centre, 90 Hz wide, by its spectrum."""
    frequency = np.fft.rfftfreq(len(buzz), 1 / FS)
    gain = sum(weight / (1 + ((frequency - f) / 90) ** 2) for f, weight in zip(centres, (1.0, 0.7, 0.5), strict=True))
    return np.fft.irfft(np.fft.rfft(buzz) * gain, len(buzz))


def disturbances(rng: np.random.Generator, seconds: float = SECONDS) -> np.ndarray:
    time = np.arange(int(seconds * FS)) / FS
    hum = sum(0.012 / k * np.sin(2 * np.pi * 50 * k * time + k) for k in (1, 2, 3, 4, 5))
    rumble = np.cumsum(rng.standard_normal(len(time)))
    rumble -= moving_mean(rumble, 9601)
    return hum + 0.02 * rumble / rumble.std() + 0.0006 * rng.standard_normal(len(time))


def moving_mean(sound: np.ndarray, frames: int) -> np.ndarray:
    """[frames] the mean of an odd number of `frames` around each, with silence beyond both ends."""
    sums = np.cumsum(np.pad(sound, (frames // 2 + 1, frames // 2)))
    return (sums[frames:] - sums[:-frames]) / frames


def level_db(samples: np.ndarray, low_hz: float, high_hz: float) -> float:
    """RMS level of a band in dBFS (a full-scale square wave is 0)."""
    windowed = samples * np.hanning(len(samples)) * np.sqrt(8 / 3)
    power = np.abs(np.fft.rfft(windowed)) ** 2 * 2 / len(samples) ** 2
    frequency = np.fft.rfftfreq(len(samples), 1 / FS)
    return 10 * np.log10(power[(frequency >= low_hz) & (frequency <= high_hz)].sum() + 1e-20)


def show(*arguments: str) -> int:
    """Run the command line as a user would; what it says goes to the screen."""
    print("$ torchfx", *arguments, flush=True)
    return subprocess.run([COMMAND, *arguments], stderr=subprocess.STDOUT).returncode


def main() -> int:
    rng = np.random.default_rng(7)
    FOLDER.mkdir(exist_ok=True)
    source = FOLDER / "voice.wav"
    soundfile.write(source, np.rint((voice(rng) + disturbances(rng)) * 32767).astype(np.int16), FS, "PCM_16")

    chains = [word for name in CHAINS for word in ("-c", name)]
    code = show("process", str(source), *chains, "--overwrite") or show("devices")
    if code:
        return code

    before, after = (soundfile.read(path)[0] for path in (source, FOLDER / "processed" / "voice.wav"))
    print(f"\n{'':16} {'before':>8} {'after':>8} {'change':>8}   dBFS in the band")
    for name, low, high, wish in BANDS:
        a, b = level_db(before, low, high), level_db(after, low, high)
        print(f"{name:16} {a:8.1f} {b:8.1f} {b - a:+8.1f}   {wish}")
    print(f"\nListen: {source} and {FOLDER / 'processed' / 'voice.wav'}. More: {COMMAND} --help")
    return 0


if __name__ == "__main__":
    sys.exit(main())
