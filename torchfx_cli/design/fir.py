"""Impulse responses: windowed sincs, and taps read from files.

The windowed sinc is the one of `scipy.signal.firwin` (scale=True): the ideal response of the wanted bands, a
symmetric window, and the gain made exactly 1 in the middle of the first band that passes. Edges lie at -6 dB.
Windows: F. J. Harris, "On the use of windows for harmonic analysis with the DFT", Proc. IEEE 66 (1978).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import islice
from math import prod

import numpy as np

from torchfx_cli.design.stages import Array
from torchfx_cli.samples import hertz

MAX_TAPS = 1 << 20

# Of cos(0), cos(x), cos(2x), ... with x from -pi to pi over the taps.
_COSINES = {
    "rectangular": (1.0,),
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
    "blackmanharris": (0.35875, 0.48829, 0.14128, 0.01168),
}


def windowed_sinc(bands_hz: list[tuple[float, float]], taps: int, window: str, beta: float, fs: float) -> Array:
    """Taps [taps] that pass `bands_hz`, each (low, high) with 0 and fs / 2 as the outermost."""
    m = np.arange(taps) - (taps - 1) / 2.0
    bands = [(2.0 * low / fs, 2.0 * high / fs) for low, high in bands_hz]
    ideal = sum((high * np.sinc(high * m) - low * np.sinc(low * m) for low, high in bands), np.zeros(taps))
    shaped = ideal * window_of(window, taps, beta)
    gain = np.sum(shaped * np.cos(np.pi * m * _reference(*bands[0])))
    scaled: Array = shaped / gain
    return scaled


def window_of(name: str, taps: int, beta: float) -> Array:
    """A symmetric window [taps]; `beta` is the kaiser window's."""
    if name == "kaiser":
        return np.kaiser(taps, beta)
    x = np.linspace(-np.pi, np.pi, taps) if taps > 1 else np.zeros(1)
    return sum((c * np.cos(k * x) for k, c in enumerate(_COSINES[name])), np.zeros(taps))


def _reference(low: float, high: float) -> float:
    """Where the gain is 1, in halves of the sample rate: 0, half the sample rate, or the middle of the band."""
    if low == 0.0:
        return 0.0
    return 1.0 if high == 1.0 else (low + high) / 2.0


def read_taps(suffix: str, content: bytes, fs: float) -> Array:
    """Taps [N] from a file's content: numbers (.txt, .csv), an array (.npy), a mono sound of this very sample rate.

    Raises ValueError that says what is wrong with it.
    """
    if suffix.lower() == ".npy":
        return _checked(_array(content))
    return _checked(_text(content) if suffix.lower() in (".txt", ".csv") else _sound(content, fs))


def _text(content: bytes) -> Array:
    """Numbers between spaces, commas, semicolons or line ends; from a # on a line is a comment."""
    try:
        lines = io.StringIO(content.decode("utf-8-sig"), newline=None)
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    numbers = (number for at, line in enumerate(lines, 1) for number in _numbers(line.partition("#")[0], at))
    return np.fromiter(islice(numbers, MAX_TAPS + 1), np.float64)


def _numbers(line: str, number: int) -> Iterator[float]:
    """The message does not quote the line: a chain from a stranger may name any file."""
    try:
        for word in re.finditer(r"[^\s,;]+", line):
            yield float(word[0])
    except ValueError:
        raise ValueError(f"line {number} holds something that is not a number") from None


def _array(content: bytes) -> Array:
    try:
        _check_count(_promised(content))
        return np.asarray(np.load(io.BytesIO(content), allow_pickle=False))
    except TooManyError:
        raise
    except (ValueError, EOFError) as error:
        raise ValueError("not a NumPy array of numbers") from error


def _promised(content: bytes) -> int:
    """How many numbers the header of an .npy promises: memory for them is taken before they are read."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, _ = read(file)
    return prod(shape)


def _sound(content: bytes, fs: float) -> Array:
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(content)) as sound:
            if sound.samplerate != fs:
                raise ValueError(f"its sample rate is {hertz(sound.samplerate)}, that of the audio is {hertz(fs)}; "
                                 "resample one of them")
            if sound.channels != 1:
                raise ValueError(f"it has {sound.channels} channels; an impulse response has one")
            _check_count(sound.frames)  # silence packs well: 50 KB of FLAC may be gigabytes
            return np.asarray(sound.read(MAX_TAPS, "float64"))
    except soundfile.SoundFileError as error:
        raise ValueError("neither numbers (.txt, .csv), .npy nor a sound file") from error


class TooManyError(ValueError):
    """More numbers than an impulse response may have, or none."""


def _check_count(taps: int) -> None:
    if not 1 <= taps <= MAX_TAPS:
        more = "more than " if taps == MAX_TAPS + 1 else ""
        raise TooManyError(f"it holds {more}{min(taps, MAX_TAPS) if more else taps} taps; 1 to {MAX_TAPS} are possible")


def _checked(taps: Array) -> Array:
    if taps.ndim != 1 or taps.dtype.kind not in "iuf":
        raise ValueError(f"it holds an array {list(taps.shape)} of {taps.dtype}; taps are one row of real numbers")
    _check_count(len(taps))
    if not np.isfinite(taps).all():
        raise ValueError(f"tap {int(np.argmin(np.isfinite(taps)))} is not finite")
    return taps.astype(np.float64)
