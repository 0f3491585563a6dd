"""Windowed sincs against scipy.signal.firwin, and taps from files."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile
from support.designing import design

from torchfx_cli.chain.parse import join
from torchfx_cli.chain.spec import design_chain
from torchfx_cli.design import fir
from torchfx_cli.design.stages import Taps, response
from torchfx_cli.effects.fir import FirSpec
from torchfx_cli.effects.kind import Origin
from torchfx_cli.errors import DesignError
from torchfx_cli.plan.assemble import assemble
from torchfx_cli.samples import SampleFormat

FLOAT64 = SampleFormat("float64")
RATES = (8000, 44100, 48000, 96000, 192000)
WINDOWS = {"hamming": "hamming", "hann": "hann", "blackman": "blackman", "blackmanharris": "blackmanharris",
           "nuttall": "nuttall", "flattop": "flattop", "bartlett": "bartlett", "parzen": "parzen",
           "kaiser": ("kaiser", 8.6), "chebwin": ("chebwin", 100), "rectangular": "boxcar"}


def spec(**settings: object) -> FirSpec:
    return FirSpec(kind="fir", origin=Origin("eq.yaml", 3, "chain[0].fir"), **settings)  # type: ignore[arg-type]


def from_file(path: Path) -> FirSpec:
    return spec(file=str(path), content=path.read_bytes())


def taps_of(fs: float, **settings: object) -> Taps:
    stage = design(spec(**settings), fs)
    assert isinstance(stage, Taps)
    return stage


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("fs", RATES)
def test_the_taps_are_those_of_firwin(fs: int, window: str) -> None:
    f1, f2 = 0.06 * fs, 0.21 * fs
    for settings, cutoff, pass_zero in (({"lowpass_hz": f1}, f1, "lowpass"), ({"highpass_hz": f1}, f1, "highpass"),
                                        ({"bandpass_hz": (f1, f2)}, [f1, f2], "bandpass"),
                                        ({"bandstop_hz": (f1, f2)}, [f1, f2], "bandstop")):
        for taps in (1, 3, 101, 511, 64):
            if taps % 2 == 0 and pass_zero in ("highpass", "bandstop"):
                continue
            got = taps_of(fs, taps=taps, window=window, **settings).taps
            want = scipy.signal.firwin(taps, cutoff, window=WINDOWS[window], pass_zero=pass_zero, fs=fs)
            assert np.abs(got - want).max() < 1e-14 * np.abs(want).max(), (pass_zero, taps)


@pytest.mark.parametrize("beta", [0.0, 2.5, 14.0, 50.0])
def test_the_kaiser_window_takes_its_beta(beta: float) -> None:
    want = scipy.signal.firwin(201, 1000.0, window=("kaiser", beta), fs=48000)
    assert np.abs(taps_of(48000, lowpass_hz=1000.0, taps=201, window="kaiser", beta=beta).taps - want).max() < 1e-14


def test_the_edge_lies_at_minus_6_db_and_aligned_taps_have_no_phase() -> None:
    stage = taps_of(48000, lowpass_hz=12000.0, taps=511, align=True)
    assert stage.delay_frames == 255
    assert response([stage], [0.0, 12000.0, 14000.0], 48000) == pytest.approx([1.0, 0.5, 0.0], abs=1e-3)
    assert taps_of(48000, lowpass_hz=12000.0, taps=511).delay_frames == 0


def test_even_taps_align_to_within_half_a_frame() -> None:
    stage = taps_of(48000, lowpass_hz=2000.0, taps=64, align=True)
    turned = response([stage], 1000.0, 48000)[0]
    assert stage.delay_frames == 31
    assert np.angle(turned) == pytest.approx(-2 * np.pi * 1000.0 / 48000 / 2, abs=1e-12)


def test_listed_taps_are_taken_as_they_are() -> None:
    assert taps_of(48000, taps=(0.25, 0.5, 0.25)).taps.tolist() == [0.25, 0.5, 0.25]


TAPS = np.array([1.0, -0.5, 0.25, 1e-3])


def write(path: Path) -> Path:
    if path.suffix == ".npy":
        np.save(path, TAPS)
    elif path.suffix == ".wav":
        soundfile.write(path, TAPS, 48000, subtype="DOUBLE")
    else:
        path.write_text("# a room\n1.0, -0.5; .25\n\n1e-3 # the last\n")
    return path


@pytest.mark.parametrize("name", ["room.txt", "room.csv", "room.npy", "room.wav"])
def test_taps_are_read_from_a_file(tmp_path: Path, name: str) -> None:
    stage = design(from_file(write(tmp_path / name)), 48000)
    assert isinstance(stage, Taps)
    assert stage.taps.tolist() == TAPS.tolist()
    assert stage.label == f"fir {name} 4 taps"


def refusal(fs: float, of: FirSpec) -> str:
    with pytest.raises(DesignError) as caught:
        design(of, fs)
    return str(caught.value)


def test_a_sound_file_of_another_rate_is_refused(tmp_path: Path) -> None:
    message = refusal(44100, from_file(write(tmp_path / "room.wav")))
    assert message == (f"eq.yaml:3: chain[0].fir.file: {tmp_path}/room.wav: its sample rate is 48 kHz, "
                       "that of the audio is 44.1 kHz; resample one of them")


def test_a_stereo_sound_file_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "room.wav", np.zeros((5, 2)), 48000)
    assert "it has 2 channels; an impulse response has one" in refusal(48000, from_file(tmp_path / "room.wav"))


@pytest.mark.parametrize(("name", "content", "reason"), [
    ("a.txt", "", "it holds 0 taps; 1 to 1048576 are possible"),
    ("a.txt", "1 2 # two\n\nroot:x:0", "line 3 holds something that is not a number"),
    ("a.txt", b"1 2\xff", "not UTF-8 text"),
    ("a.txt", "1 nan 3", "tap 1 is not finite"),
    ("a.csv", "1,inf", "tap 1 is not finite"),
    ("a.npy", "nonsense", "not a NumPy array"),
    ("a.wav", "nonsense", "neither numbers (.txt, .csv), .npy nor a sound file"),
])
def test_a_file_without_taps_is_refused_with_the_reason(tmp_path: Path, name: str, content: str | bytes,
                                                            reason: str) -> None:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    message = refusal(48000, from_file(tmp_path / name))
    assert message.startswith(f"eq.yaml:3: chain[0].fir.file: {tmp_path}/{name}: ")
    assert reason in message
    assert "root:" not in message


def test_numbers_are_read_whatever_ends_their_lines() -> None:
    for end in ("\n", "\r\n", "\r"):
        content = end.join(["1 # one", "-0.5;.25", "1e-3"]).encode()
        assert fir.read_taps(".txt", content, 48000).tolist() == TAPS.tolist()


def test_arrays_that_are_not_a_row_of_real_numbers_are_refused(tmp_path: Path) -> None:
    for array in (np.zeros((2, 3)), np.zeros(4, complex), np.array(["a"]), np.array([{}])):
        np.save(tmp_path / "a.npy", array, allow_pickle=True)
        assert "taps are one row of real numbers" in refusal(48000, from_file(tmp_path / "a.npy"))


def test_even_taps_that_should_pass_half_the_sample_rate_are_refused() -> None:
    message = refusal(48000, spec(highpass_hz=100.0, taps=510))
    assert message == "eq.yaml:3: chain[0].fir.taps: 510 is even, so the gain at half the sample rate is 0; use 511"
    assert "use 65" in refusal(48000, spec(bandstop_hz=(100.0, 200.0), taps=64))


def test_files_of_too_many_taps_are_refused_before_they_take_memory(tmp_path: Path) -> None:
    packed = tmp_path / "silence.flac"
    soundfile.write(packed, np.zeros(16 * fir.MAX_TAPS, np.int16), 48000)  # as float64: 130 MB from some 50 KB
    assert packed.stat().st_size < 200_000
    lying = io.BytesIO()
    np.lib.format.write_array_header_1_0(lying, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    tracemalloc.start()
    for suffix, content, words in [
        (".flac", packed.read_bytes(), f"it holds {16 * fir.MAX_TAPS} taps; 1 to {fir.MAX_TAPS} are possible"),
        (".npy", lying.getvalue() + bytes(80), f"it holds {10**12} taps"),
    ]:
        with pytest.raises(ValueError, match=words):
            fir.read_taps(suffix, content, 48000)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 100e6


@pytest.mark.parametrize("taps", [1, 2, 5, 64, 65, 1001])
@pytest.mark.parametrize("attenuation_db", [45.0, 60.0, 100.0, 160.0])
def test_the_chebyshev_window_is_scipys(taps: int, attenuation_db: float) -> None:
    want = scipy.signal.windows.chebwin(taps, attenuation_db)
    assert np.abs(fir.window_of("chebwin", taps, attenuation_db) - want).max() < 1e-9
    if taps == 65:
        spectrum = np.abs(np.fft.rfft(want, 1 << 16))
        lobes = spectrum[np.argmin(spectrum[: 1 << 13]) :]  # behind the first zero
        got = np.abs(np.fft.rfft(fir.window_of("chebwin", taps, attenuation_db), 1 << 16))
        assert got[len(got) - len(lobes) :].max() <= 1.01 * spectrum[0] * 10 ** (-attenuation_db / 20)


@pytest.mark.parametrize("text", ["0,5\n0,25\n", "1\n0,5\n", "0,5;0,25", "0,5 # 1.5 is no number here\n-0,25\n",
                                  "0.5\n0,25\n", "0.5 0.25\n-0,25 1\n"])
def test_a_comma_that_may_be_a_decimal_one_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="holds a comma between two digits, which may be a decimal comma"):
        fir.read_taps(".txt", text.encode(), 48_000)


@pytest.mark.parametrize(("text", "taps"), [
    ("0.5,0.25", [0.5, 0.25]), ("0,0.5\n1,0.25", [0, 0.5, 1, 0.25]), ("1, 2\n3, 4", [1, 2, 3, 4]),
    ("1,0,-1", [1, 0, -1]), ("\u22120.5\u00a00.25", [-0.5, 0.25])])
def test_separators_and_signs_that_are_clear_are_read(text: str, taps: list[float]) -> None:
    assert fir.read_taps(".csv", text.encode(), 48_000).tolist() == taps


def test_a_design_with_too_few_taps_says_how_many_would_do() -> None:
    plan = assemble(design_chain(join([], ["fir:highpass=80,taps=101"]), 48_000, 1), 48_000, 1, FLOAT64, FLOAT64)
    assert plan.remarks == ("fir highpass 80 Hz: 101 taps are too few, the edge is not at -6 dB; 407 would do",)
    _, got = scipy.signal.freqz(scipy.signal.firwin(101, 80, fs=48_000, pass_zero=False), worN=[80.0], fs=48_000)
    assert 20 * np.log10(abs(got[0])) == pytest.approx(-1.7, abs=0.1)
    _, got = scipy.signal.freqz(scipy.signal.firwin(407, 80, fs=48_000, pass_zero=False), worN=[80.0], fs=48_000)
    assert 20 * np.log10(abs(got[0])) == pytest.approx(-6.02, abs=0.5)
    enough = design_chain(join([], ["fir:bandstop=[1000, 9000],taps=407"]), 48_000, 1)
    assert enough[0].remarks == ()


def test_a_window_without_a_tap_is_refused() -> None:
    with pytest.raises(DesignError, match="2 taps of a hann window let nothing pass"):
        design_chain(join([], ["fir:lowpass=80,taps=2,window=hann"]), 48_000, 1)


@pytest.mark.parametrize(("taps", "delay"), [([1, 2, 1], 1), ([-1, 0, 1], 1), ([0, 0.1, 1, 0.5, 0.2, 0.1, 0], 2),
                                             ([1, 0.5], 0)])
def test_aligned_taps_that_are_not_symmetric_are_aligned_by_their_highest(taps: list[float], delay: int) -> None:
    (stage,) = design_chain(join([], [f"fir:taps={taps},align=true"]), 48_000, 1)
    assert stage.latency_frames == delay


@pytest.mark.parametrize("separator", ["\n", ", ", ",", ";", ",2,"])
def test_clear_text_is_converted_at_once(monkeypatch: pytest.MonkeyPatch, separator: str) -> None:
    """A million numbers are not gone through one after another, which takes seconds."""
    monkeypatch.setattr(fir, "_numbers", None)
    text = "# a room\n" + separator.join(["1", "0.5", "-2e-3"])
    want = [1.0, 2.0, 0.5, 2.0, -2e-3] if separator == ",2," else [1.0, 0.5, -2e-3]
    assert fir.read_taps(".txt", text.encode(), 48_000).tolist() == want


@pytest.mark.parametrize("seed", range(2))
def test_clear_text_is_read_as_word_by_word(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Any text of the pieces that matter gives the same numbers or the same refusal in both ways."""
    monkeypatch.setattr(fir, "MAX_TAPS", 6)
    monkeypatch.setattr(fir, "MAX_DIGITS", 8)
    pieces = ["1", "0.5", "2", ",", ",", ";", " ", "\n", "\r\n", "#", "# a,b", "x", "nan", "-", "e3", "1_0", "\x1c",
              ".", "123456789"]  # fmt: skip
    random = np.random.default_rng(seed)
    ways = []
    for text in ["".join(random.choice(pieces, random.integers(1, 16))) for _ in range(3000)]:
        assert outcome(fir._text, text.encode()) == outcome(word_by_word, text), text
        ways.append(fir._clear_numbers(text) is not None)
    assert 500 < sum(ways) < 2500  # both ways are taken


def word_by_word(text: str) -> np.ndarray:
    return np.fromiter(islice(fir._numbers(text), fir.MAX_TAPS + 1), np.float64)


def outcome(read: Callable[..., np.ndarray], text: str | bytes) -> str:
    try:
        return repr(read(text).tolist())
    except ValueError as error:
        return str(error)
