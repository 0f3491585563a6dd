"""Recordings to practise on, the same at each run: podcast/ and corpus/ in the current folder.

    python docs/practice.py

Voices with mains hum, rumble and hiss, made as in benchmarks/demo.py. One file of the corpus is damaged on purpose.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

from demo import FS, disturbances, voice

PODCAST = {"intro.wav": (3.0, -12.0), "interview.wav": (8.0, 0.0), "outro.wav": (3.0, -6.0)}  # seconds, dB
SPEAKERS = {"ann": 1, "bob": 2}  # channels
UTTERANCES = 3
DAMAGED = "bob/002.wav"


def recording(seed: int, seconds: float, gain_db: float) -> np.ndarray:
    """[frames] in 16 bits."""
    rng = np.random.default_rng(seed)
    sound = voice(rng, seconds) * 10.0 ** (gain_db / 20.0) + disturbances(rng, seconds)
    return np.rint(sound * 32767).astype(np.int16)


def make(folder: Path) -> None:
    (folder / "podcast").mkdir(parents=True, exist_ok=True)
    for seed, (name, (seconds, gain_db)) in enumerate(PODCAST.items()):
        soundfile.write(folder / "podcast" / name, recording(seed, seconds, gain_db), FS, "PCM_16")
    for speaker, channels in SPEAKERS.items():
        (folder / "corpus" / speaker).mkdir(parents=True, exist_ok=True)
        for number in range(1, UTTERANCES + 1):
            sound = recording(100 * channels + number, 1.0, -6.0)
            soundfile.write(folder / "corpus" / speaker / f"{number:03}.wav", np.stack([sound] * channels, 1), FS)
    (folder / "corpus" / DAMAGED).write_bytes(b"RIFF\0\0\0\0WAVEjunk" + bytes(100))


if __name__ == "__main__":
    make(Path())
    print("made podcast/ and corpus/")
