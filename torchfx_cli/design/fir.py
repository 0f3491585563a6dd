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

import numpy as np

from torchfx_cli.design.stages import Array
from torchfx_cli.samples import PLAIN_SIGNS, hertz

MAX_TAPS = 1 << 20
EDGE_TOLERANCE_DB = 0.5

# Of cos(0), cos(x), cos(2x), ... with x from -pi to pi over the taps.
_COSINES = {
    "rectangular": (1.0,),
    "hann": (0.5, 0.5),
    "hamming": (0.54, 0.46),
    "blackman": (0.42, 0.5, 0.08),
    "blackmanharris": (0.35875, 0.48829, 0.14128, 0.01168),
    "nuttall": (0.3635819, 0.4891775, 0.1365995, 0.0106411),
    "flattop": (0.21557895, 0.41663158, 0.277263158, 0.083578947, 0.006947368),
}
MAX_DIGITS = 1000  # of one number: the smallest float64 has 767
_COMMENT = re.compile(r"#[^\r\n]*")
_WORD_OR_COMMENT = re.compile(rf"[^\s,;#]+|{_COMMENT.pattern}")
_COMMA_BETWEEN_DIGITS = re.compile(r"[0-9],[+-]?[0-9]")
_CLEAR_COMMA = re.compile(r"(?:\.|[^\s,;#],[^\s,;#])[^\s,;#]{0,40},[^\s,;#]")  # bounded, or dots take squared time
_WHOLE = re.compile(r"[+-]?[0-9]+")
_LINE_END = re.compile(r"\r\n|\r|\n")


def windowed_sinc(bands_hz: list[tuple[float, float]], taps: int, window: str, shape: float, fs: float) -> Array:
    """Taps [taps] that pass `bands_hz`, each (low, high) with 0 and fs / 2 as the outermost."""
    m = np.arange(taps) - (taps - 1) / 2.0
    bands = [(2.0 * low / fs, 2.0 * high / fs) for low, high in bands_hz]
    ideal = sum((high * np.sinc(high * m) - low * np.sinc(low * m) for low, high in bands), np.zeros(taps))
    shaped = ideal * window_of(window, taps, shape)
    gain = np.sum(shaped * np.cos(np.pi * m * _reference(*bands[0])))
    with np.errstate(divide="ignore", invalid="ignore"):  # a window of few taps may be 0 throughout
        scaled: Array = shaped / gain
    return scaled


def enough_taps(bands_hz: list[tuple[float, float]], taps: int, window: str, shape: float, fs: float) -> int:
    """`taps`, or the fewest of twice, four times, ... as many (less one where even) with which the edges are at -6 dB.

    Each inner edge is to be at half of the gain within `EDGE_TOLERANCE_DB`. 0 where `MAX_TAPS` are not enough.
    """
    edges = [edge for band in bands_hz for edge in band if 0.0 < edge < fs / 2.0]
    w = 2.0 * np.pi * np.array(edges) / fs
    while taps <= MAX_TAPS:
        designed = windowed_sinc(bands_hz, taps, window, shape, fs)
        gains = np.abs(np.exp(-1j * np.outer(w, np.arange(taps))) @ designed)
        if np.all(np.abs(20.0 * np.log10(np.maximum(gains, 1e-30) / 0.5)) < EDGE_TOLERANCE_DB):
            return taps
        taps = 2 * taps + 1
    return 0


def window_of(name: str, taps: int, shape: float) -> Array:
    """A symmetric window [taps]; `shape` is beta of kaiser, and the attenuation of side lobes in dB of chebwin."""
    if name == "kaiser":
        return np.kaiser(taps, shape)
    if name == "chebwin":
        return _dolph_chebyshev(taps, shape)
    x = np.linspace(-np.pi, np.pi, taps) if taps > 1 else np.zeros(1)
    if name == "bartlett":
        return 1.0 - np.abs(x) / np.pi
    if name == "parzen":
        return _parzen(taps)
    return sum((c * np.cos(k * x) for k, c in enumerate(_COSINES[name])), np.zeros(taps))


def _parzen(taps: int) -> Array:
    """Piecewise cubic, a convolution of two triangles; its ends lie half a tap outside."""
    r = np.abs(np.arange(taps) - (taps - 1) / 2.0) / (taps / 2.0)
    return np.where(r <= 0.5, 1.0 - 6.0 * r * r * (1.0 - r), 2.0 * (1.0 - r) ** 3)


def _dolph_chebyshev(taps: int, attenuation_db: float) -> Array:
    """All side lobes equally high: a Chebyshev polynomial on the unit circle, transformed back (Harris, V.G)."""
    order = taps - 1
    if not order:
        return np.ones(1)
    x = np.cosh(np.arccosh(10.0 ** (attenuation_db / 20.0)) / order) * np.cos(np.pi * np.arange(taps) / taps)
    inside = np.abs(x) <= 1.0
    polynomial = np.cos(order * np.arccos(np.clip(x, -1.0, 1.0)))
    polynomial[~inside] = np.sign(x[~inside]) ** order * np.cosh(order * np.arccosh(np.abs(x[~inside])))
    half_a_tap = 1.0 if taps % 2 else np.exp(1j * np.pi * np.arange(taps) / taps)
    window: Array = np.roll(np.fft.fft(polynomial * half_a_tap).real, taps // 2 - (1 - taps % 2))
    return window / window.max()


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
    """Numbers between spaces, commas, semicolons or line ends; from a # on a line is a comment.

    "0,5" may be one number or two. Where no other comma of the file is clearly a separator it is refused.
    """
    try:
        text = content.decode("utf-8-sig").translate(PLAIN_SIGNS)
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text") from None
    taps = _clear_numbers(text)
    return np.fromiter(islice(_numbers(text), MAX_TAPS + 1), np.float64) if taps is None else taps


def _clear_numbers(text: str) -> Array | None:
    """What `_numbers` yields, in a twentieth of the time; None where it may refuse the text, and tells the line."""
    if text.count("#") > MAX_TAPS:
        return None
    text = _COMMENT.sub("", text)
    if _COMMA_BETWEEN_DIGITS.search(text) and not _CLEAR_COMMA.search(text):
        return None
    words = text.replace(",", " ").replace(";", " ").split(None, MAX_TAPS + 1)[: MAX_TAPS + 1]
    if max(map(len, words), default=0) > MAX_DIGITS:
        return None
    try:
        return np.fromiter(map(float, words), np.float64, len(words))
    except ValueError:
        return None


def _numbers(text: str) -> Iterator[float]:
    """The message does not quote the text: a chain from a stranger may name any file."""
    words = _Words(text)
    for count, word in enumerate(_WORD_OR_COMMENT.finditer(text)):
        if count > 2 * MAX_TAPS:
            raise ValueError(f"it holds more than {MAX_TAPS} comments")
        if word[0].startswith("#"):
            continue
        words.see(word)
        try:
            yield float(word[0] if len(word[0]) <= MAX_DIGITS else "")
        except ValueError:
            raise ValueError(f"line {words.line(word.start())} holds something that is not a number") from None
    words.end()


class _Words:
    """Looks for two whole numbers with nothing but a comma between them, in a file whose other commas do not say more.

    A comma beside a number with a point, and those of three and more numbers in a row, separate.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._has_separator = False
        self._joined: list[str] = []  # words with a comma alone between them, up to here
        self._start = self._end = 0  # of those
        self._found: int | None = None

    def see(self, word: re.Match[str]) -> None:
        """The next word."""
        is_joined = bool(self._joined) and self._text[self._end : word.start()] == ","
        if not is_joined:
            self._look()
            self._joined, self._start = [], word.start()
        self._joined = [*self._joined[-2:], word[0]]
        self._end = word.end()

    def end(self) -> None:
        """After the last word."""
        self._look()
        if self._found is not None and not self._has_separator:
            raise ValueError(f"line {self.line(self._found)} holds a comma between two digits, which may be a decimal "
                             "comma or stand between two numbers; write decimal points, or a space between numbers")

    def line(self, at: int) -> int:
        """The number of the line that holds the character `at`."""
        return len(_LINE_END.findall(self._text, 0, at)) + 1

    def _look(self) -> None:
        are_whole = all(map(_WHOLE.fullmatch, self._joined))
        self._has_separator |= len(self._joined) > 2 or (len(self._joined) == 2 and not are_whole)
        if self._found is None and len(self._joined) == 2 and are_whole:
            self._found = self._start


def _array(content: bytes) -> Array:
    """What the header tells is checked before it is believed."""
    file = io.BytesIO(content)
    try:
        is_first = np.lib.format.read_magic(file) == (1, 0)
        read_header = np.lib.format.read_array_header_1_0 if is_first else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
    except Exception as error:  # a header is Python, and a bad one makes the parser raise almost anything
        raise ValueError("not a NumPy array of numbers") from error
    if len(shape) != 1 or dtype.kind not in "iuf":
        raise ValueError(f"it holds an array {list(shape)} of {str(dtype)[:40]}; taps are one row of real numbers")
    _check_count(shape[0])
    if len(content) - file.tell() < shape[0] * dtype.itemsize:
        raise ValueError(f"cut off: it should hold {shape[0]} taps")
    return np.frombuffer(content, dtype, shape[0], file.tell()).astype(np.float64)


def _sound(content: bytes, fs: float) -> Array:
    try:
        rate, frames, sound = read_sound(content, MAX_TAPS)
    except SoundError as error:
        raise ValueError("neither numbers (.txt, .csv), .npy nor a sound file") from error
    if rate != fs:
        raise ValueError(f"its sample rate is {hertz(rate)}, that of the audio is {hertz(fs)}; "
                         "resample one of them")
    if sound.shape[1] != 1:
        raise ValueError(f"it has {sound.shape[1]} channels; an impulse response has one")
    _check_count(frames)
    return sound[:, 0]


class SoundError(ValueError):
    """A file's content is no sound."""


def read_sound(content: bytes, most: int) -> tuple[int, int, Array]:
    """The sample rate in Hz, the frames that the header tells, and at most `most` of them, [frames, channels].

    Silence packs well: 50 KB of FLAC may be gigabytes. Raises SoundError.
    """
    from torchfx_cli.libsndfile import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(content)) as sound:
            return sound.samplerate, sound.frames, np.asarray(sound.read(most, "float64", always_2d=True))
    except soundfile.SoundFileError as error:
        raise SoundError("it is not a sound file that can be read") from error


def _check_count(taps: int) -> None:
    if not 1 <= taps <= MAX_TAPS:
        more = "more than " if taps == MAX_TAPS + 1 else ""
        raise ValueError(f"it holds {more}{min(taps, MAX_TAPS) if more else taps} taps; 1 to {MAX_TAPS} are possible")


def _checked(taps: Array) -> Array:
    _check_count(len(taps))
    if not np.isfinite(taps).all():
        raise ValueError(f"tap {int(np.argmin(np.isfinite(taps)))} is not finite")
    return taps
