"""Values as people write them: read as meant where the meaning is certain, else answered with the right spelling."""

from __future__ import annotations

import pytest

from torchfx_cli.chain.parse import parse_chain, parse_effect
from torchfx_cli.errors import ChainError


@pytest.mark.parametrize(("entry", "fields"), [
    ("limiter: -1 dBTP", {"ceiling_db": -1.0, "true_peak": True}), ("limiter: -1 dBFS", {"ceiling_db": -1.0}),
    ("normalize: -2 dBTP", {"true_peak_db": -2.0}), ("normalize: -2 dbfs", {"peak_db": -2.0, "true_peak_db": None}),
    ("normalize: {true_peak: -2 dBFS}", {"true_peak_db": -2.0}),
    ("loudness: -16 dB", {"target_lufs": -16.0}), ("loudness: {true_peak: -1 dBFS}", {"true_peak_db": -1.0}),
    ("gain: -3 LU", {"gain_db": -3.0}),
    *((f"compressor: {{threshold: -20, ratio: {text}}}", {"ratio": ratio}) for text, ratio in (
        ("4:1", 4.0), ("10:1", 10.0), ("'4 : 1'", 4.0), ("1:4", 4.0), ("1.5:1", 1.5), ("1:1", 1.0), ("11:1", 11.0))),
    ("expander: {threshold: -40, ratio: 1:2}", {"ratio": 2.0}),
    ("multiband: {crossover: 200, threshold: -24, ratio: [2:1, 3]}", {"ratio": (2.0, 3.0)})])
def test_what_is_certain_is_read(entry: str, fields: dict[str, object]) -> None:
    (spec,) = parse_chain(f"chain: [{{{entry}}}]").stages
    assert {name: getattr(spec, name) for name in fields} == fields


def test_an_inline_effect_and_a_key_of_its_own_say_the_same() -> None:
    for inline in ("normalize:-2 dBTP", "normalize:true_peak=-2"):
        assert parse_effect(inline) == parse_effect("normalize:{true_peak: -2}")
    assert parse_effect("compressor:-20,ratio=4:1") == parse_effect("compressor:threshold=-20,ratio=4")


@pytest.mark.parametrize(("entry", "words"), [
    ("normalize: -16 LUFS", "for a loudness write the stage `loudness: -16 LUFS`"),
    ("normalize: {lufs: -16}", "for a loudness write the stage loudness, like `loudness: -16 LUFS` (keys:"),
    ("normalize: rms", "found 'rms', which is a key; write {rms: ...}"), ("normalize: 95%", "95 % are -0.45 dB"),
    ("gain: 50 %", "50 % are -6.02 dB"), ("gain: 3 LUFS", "expected a number in dB)"),
    ("loudness: -1 dBTP", "for a peak write its key, like true_peak: -1 dBTP"),
    ("loudness: 16 LUFS", "did you mean -16?"), ("compressor: 20", "did you mean -20?"),
    ("loudness: {target: -16, range: 8}", "a loudness range is measured, see `torchfx info --stats`, and not made"),
    ("loudness: {I: -16, tp: -1}", "unknown key 'tp'; here it is true_peak"),
    ("limiter: {threshold: -1}", "here it is ceiling"),
    ("compressor: {threshold: -20, ratio: 4:2}", "found '4:2' (a colon makes no number"),
    ("trim: {start: 1:30}", "write 90 s"), ("trim: {start: 1:02:03.5}", "write 3723.5 s"),
    ("delay: {time: 1:0x}", "not a number")])
def test_what_is_not_gets_the_right_spelling(entry: str, words: str) -> None:
    with pytest.raises(ChainError) as caught:
        parse_chain(f"chain: [{{{entry}}}]")
    assert words in str(caught.value)
