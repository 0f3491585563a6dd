"""HAZARDS, section 4 C: chain files that are broken, hostile or simply odd (the numbers are its rows)."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torchfx_cli.chain.document import MAX_FILE_BYTES
from torchfx_cli.chain.parse import load_chain, parse_chain, parse_effect
from torchfx_cli.chain.spec import ChainSpec, design_chain
from torchfx_cli.effects.table import KINDS
from torchfx_cli.errors import ChainError, DesignError
from torchfx_cli.plan.fuse import fuse

ROOT = Path(__file__).parents[2]


def refusal(path: Path) -> str:
    """The one complaint about a file, without the file's name."""
    with pytest.raises(ChainError) as caught:
        load_chain(path)
    (line,) = caught.value.problems
    assert line.startswith(str(path)), line
    assert caught.value.exit_code == 2
    return line.removeprefix(str(path))


@pytest.mark.parametrize(("content", "complaint"), [
    # 60
    (b"", ": is empty: write at least `chain:` and one stage"),
    (b"# nothing\n\n# here\n", ": is empty"),
    (b"\xef\xbb\xbf", ": is empty"),
    (b"---\n", ": is empty"),
    (b"null\n", ": is empty"),
    (b"chain: []\n", ":1: chain: found an empty list; expected a list of stages"),
    (b"chain:\n", ":1: chain: found nothing; expected a list of stages"),
    (b"name: x\n", ": chain is missing; write `chain:`"),
    (b"Preamp: -6.1 dB\nFilter 1: ON PK Fc 158 Hz Gain -2.9 dB Q 0.64\n", "becomes a chain with `torchfx import`"),
    (b"GraphicEQ: 20 -0.5; 50 1\n", ": chain is missing; an equaliser from another program becomes a chain with"),
    (b"name: x\n# \xff\n", ":2: is not UTF-8: byte 0xff; save the file as UTF-8"),
    (b"RIFF$\0\0\0WAVEfmt \xa6", ": is no text, such as a sound; a chain file is YAML"),
    ("chain: [invert]".encode("utf-16"), ":1: is not UTF-8: byte 0xff"),
    # 61
    (b"chain:\n\t- invert\n", ":2:1: a tab cannot indent in YAML; use spaces"),
    (b"chain:\n- fir: {taps: [1, 2\n",
     ":3:1: is not YAML: expected ',' or ']', while parsing a flow sequence from line 2"),
    (b"chain:\n- gain: 3\nname: [x\n", "at the end of the file"),
    (b"chain:\n  - gain: 3\n - gain: 4\n",
     ":3:2: is not YAML: expected key, while parsing a block mapping from line 1; at '- gain: 4'"),
    (b"chain: [invert]\n---\nchain: [invert]\n", ":2: a second document starts here ('---')"),
    # 62
    (b"[invert]", ":1: found a list of 1; expected a map with the keys name, description, start, chain"),
    (b"invert", ":1: found text; expected a map"),
    (b"\n80", ":2: found text; expected a map"),
    (b"chain: {gain: 3}", ":1: chain: found a map of keys; expected a list of stages"),
    (b"chain: invert", ":1: chain: found 'invert'; expected a list of stages"),
    (b"chain: [invert]\nname: [x]\n", ":2: name: found a list of 1; allowed: a line of text"),
    (b"chain: [[invert]]", ":1: chain[0]: found a list of 1; one stage an entry"),
    (b"chain: [3, invert]", ":1: chain[0].3: unknown stage '3'"),
    (b"chain:\n- \n- invert", ":2: chain[0]: found nothing; one stage an entry"),
    (b"chain: [{}]", ":1: chain[0]: found a map of keys; one stage an entry"),
    (b"chain: [invert]\n? [a, b]\n: c\n", ":2: found a list of 2; expected a key"),
    (b"chain: [{? [a] : c}]\n", ":1: chain[0]: found a list of 1; expected the name of a stage"),
    # 63, 64
    (b"chian: [invert]\nchain: [invert]\n", ":1: unknown key 'chian'; did you mean chain?"),
    (b"chain: [invert]\nchain: [gain: 3]\n", ":2: chain: given twice (also in line 1); keep one"),
    (b"chain: [invert]\n<<: {name: x}\n", ":2: unknown key '<<'"),
    # 71
    (b"chain: !!python/object/apply:os.system ['touch HERE']",
     ":1: tags (!NAME) are not allowed"),
    (b"chain: [gain: !!float 3]", ":1: tags (!NAME) are not allowed"),
    (b"chain: [gain: ! 3]", ":1: tags (!NAME) are not allowed"),
    (b"%TAG ! tag:x,2000:\n---\nchain: [gain: !y 3]", "are not allowed"),
    # 72
    (b"a: &a [x]\nchain: *a\n", ":1: anchors (&NAME) are not allowed"),
    (b"chain: &a [*a]\n", ":1: anchors (&NAME) are not allowed"),
    (b"chain: *a\n", ":1: aliases (*NAME) are not allowed"),
    (b"chain: " + b"[" * 100_000, ":1: nesting deeper than 26 is not allowed"),
    (b"chain: " + b"{a: " * 100_000, ":1: nesting deeper than 26 is not allowed"),
    (b"- " * 100_000, ":1: nesting deeper than 26 is not allowed"),
    (b"? " * 100_000, ":1: nesting deeper than 26 is not allowed"),
    (b"[" * 100_000 + b"]" * 100_000, ":1: nesting deeper than 26 is not allowed"),
    (b"chain: [fir: {taps: [" + b"0," * 100_001 + b"]}]", ":1: holds more than 100000 values"),
    # 77
    (b"chain: [\"[bold]\\e[31m\\u202e\": 3]",
     r":1: chain[0].[bold]\x1b[31m\u202e: unknown stage '[bold]\x1b[31m\u202e'"),
    (b"chain: [a\x00b]", ":1:10: control character '\\x00' is not allowed in YAML"),
    (b"chain: [invert]\n# \x1b[31m\n", ":2:3: control character '\\x1b' is not allowed in YAML"),
    (b'chain: ["a\\0b\\n": 3]', r"unknown stage 'a\x00b\n'"),
    (b'chain: ["\\ud800"]', ":1:12: is not YAML: found invalid Unicode character escape code"),
])
def test_a_broken_chain_file_gets_one_line(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "eq.yaml"
    path.write_bytes(content)
    line = refusal(path)
    assert complaint in line
    assert line.isprintable()
    assert os.listdir(tmp_path) == ["eq.yaml"]


def test_60_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.yaml") == ": no such file"
    assert refusal(tmp_path) == ": is a folder, not a file"
    assert refusal(tmp_path / ("x" * 300)) == ": cannot be opened: File name too long"
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    assert refusal(tmp_path / "loop.yaml") == ": cannot be opened: Too many levels of symbolic links"


def test_60_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    (tmp_path / "eq.yaml").write_bytes(b"\xef\xbb\xbfchain:\r\n  - gain: -3 dB\r\n  - invert\r\n")
    assert [stage.origin.line for stage in load_chain(tmp_path / "eq.yaml").stages] == [2, 3]


def test_72_the_alias_bomb_is_refused() -> None:
    rows = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    rows += [f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 8)]
    with pytest.raises(ChainError, match="anchors"):
        parse_chain("\n".join(rows))


def test_73_a_chain_file_is_read_up_to_one_mebibyte(tmp_path: Path) -> None:
    path = tmp_path / "eq.yaml"
    chain = b"chain: [invert]\n#"
    path.write_bytes(chain.ljust(MAX_FILE_BYTES, b"x"))
    assert len(load_chain(path).stages) == 1
    path.write_bytes(chain.ljust(MAX_FILE_BYTES + 1, b"x"))
    assert refusal(path) == ": is too large: at most 1 024 KiB are read"
    with open(path, "wb") as file:
        file.truncate(10**12)
    assert refusal(path) == ": is too large: at most 1 024 KiB are read"


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/stdin"])
def test_73_a_device_and_a_pipe_are_refused_without_waiting(tmp_path: Path, device: str) -> None:
    os.mkfifo(tmp_path / "fifo.yaml")
    script = "import sys; from torchfx_cli.chain.parse import load_chain; load_chain(sys.argv[1])"
    for path in (device, str(tmp_path / "fifo.yaml")):
        done = subprocess.run([sys.executable, "-c", script, path], cwd=ROOT, stdin=subprocess.PIPE,
                              capture_output=True, text=True, timeout=30)
        assert done.stderr.rstrip().endswith(f"{path}: is not a regular file")


def test_74_taps_and_sub_chains_may_not_be_devices_either() -> None:
    with pytest.raises(ChainError, match=r"'/dev/zero': is not a regular file"):
        parse_effect("preset:/dev/zero")
    with pytest.raises(ChainError, match="allowed: a file whose name ends in"):
        parse_effect("fir:file=/dev/zero")


def test_74_what_a_chain_names_may_lie_above_it_but_must_be_a_chain() -> None:
    with pytest.raises(ChainError) as caught:
        parse_chain("chain: [preset: ../../../../../../../../etc/passwd]", folder=Path(__file__).parent)
    assert "etc/passwd" in caught.value.problems[0]


def test_76_ten_thousand_stages_are_read_and_no_more() -> None:
    entry = "  - peaking: {frequency: 1 kHz, gain: 1 dB}\n"
    stages = parse_chain("chain:\n" + entry * 1000).stages
    assert len(stages) == 1000
    assert stages[0] == stages[999]
    assert stages[999].origin.line == 1001
    assert len(parse_chain("chain:\n" + "- invert\n" * 10_000).stages) == 10_000
    with pytest.raises(ChainError, match=r"chain\.yaml:10002: chain\[10000\]: more than 10000 stages"):
        parse_chain("chain:\n" + "- invert\n" * 10_001)


def test_a_deep_stack_does_not_matter() -> None:
    def deep(level: int) -> ChainSpec:
        return deep(level - 1) if level else parse_chain("chain: [sos: {sections: [[1, 0, 0, 1, 0, 0]]}]")

    assert deep(sys.getrecursionlimit() - 300).stages


# ---- chains that would keep a machine busy (none of these ended in 100 s) ----

@pytest.mark.parametrize(("entry", "count", "words"), [
    ("lowpass: {cutoff: %d, order: 40, family: bessel}", 2600, "chain[2500].lowpass: up to here the chain has 100040"),
    ("fir: {lowpass: %d, taps: 1000001}", 1000, "chain[4].fir: up to here the chain has 5000005 taps of impulse respo"),
    ("lowpass: {cutoff: 900, order: 20, family: elliptic, ripple: 0.%d}", 1000, "2020 orders of different elliptic"),
])
def test_a_chain_that_takes_too_long_to_design_is_refused_at_its_first_stage_beyond(
        entry: str, count: int, words: str) -> None:
    text = "chain:\n" + "".join(f"  - {entry % (1000 + n)}\n" for n in range(count))
    with pytest.raises(ChainError) as caught:
        parse_chain(text)
    assert words in str(caught.value)


def test_long_chains_of_costly_stages_are_designed_in_seconds() -> None:
    text = "chain:\n"
    text += "".join(f"  - lowpass: {{cutoff: {1000 + n}, order: 30, family: bessel}}\n" for n in range(400))
    text += "".join(f"  - fir: {{lowpass: {1000 + n}, taps: 2047}}\n" for n in range(400))
    since_s = time.perf_counter()
    assert fuse(design_chain(parse_chain(text), 48_000))
    assert time.perf_counter() - since_s < 12.0


# ---- fuzz (row 127) ----

ENTRIES = [kind.example for kind in KINDS.values()]
ANYTHING = "name: x\ndescription: y\nchain:\n" + "".join(f"  {entry}\n" for entry in ENTRIES)
SNIPPETS = [
    "\t", "\n", "  ", "- ", ": ", ":", ",", "[", "]", "{", "}", "'", '"', "#", "&a ", "*a", "!!x ", "? ", "|", ">", "%",
    "---\n", "...\n", "\ufeff", "\x00", "\x85", "\u2028", "\\", "nan", ".inf", "1e999", "-0", "0", "null", "~", "@",
    "chain:", "preset: telephone", "preset: .", "fir: {file: /}", "9" * 400, "\ud800", "é", "\U0001f600",
]
EFFECTS = [entry[2:].replace(": {", ":").replace(": ", "=").rstrip("}") for entry in ENTRIES]
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), st.sampled_from(SNIPPETS) | st.text(max_size=4)),
                 max_size=6)


def mutated(text: str, edits: list[tuple[float, int, str]]) -> str:
    for where, cut, put in edits:
        at = int(where * len(text))
        text = text[:at] + put + text[at + cut:]
    return text



def complaints_of(read: Callable[[str], object], text: str) -> tuple[str, ...]:
    try:
        read(text)
    except ChainError as error:
        return error.problems
    return ()


@given(EDITS)
@settings(max_examples=100, deadline=None)
def test_an_edited_chain_is_read_or_refused_and_nothing_else(edits: list[tuple[float, int, str]]) -> None:
    assert all(line.isprintable() for line in complaints_of(parse_chain, mutated(ANYTHING, edits)))


@given(st.sampled_from(EFFECTS), EDITS)
@settings(max_examples=100, deadline=None)
def test_an_edited_effect_is_read_or_refused_and_nothing_else(effect: str, edits: list[tuple[float, int, str]]) -> None:
    assert all(line.isprintable() for line in complaints_of(parse_effect, mutated(effect, edits)))


def test_random_bytes_are_refused(tmp_path: Path) -> None:
    noise = random.Random(1)
    path = tmp_path / "eq.yaml"
    for size in (1, 10, 1000, 100_000):
        path.write_bytes(noise.randbytes(size))
        with pytest.raises(ChainError):
            load_chain(path)


SECRET = "hunter2"


@pytest.mark.parametrize("content", [
    f"root:{SECRET}:0:0:root:/root:/bin/sh\nbin:{SECRET}:1:1\n",
    f"PASSWORD={SECRET}\n",
    f"[{SECRET}]\n{SECRET} = {SECRET}\n",
    f"{SECRET}: {SECRET}\nother: {{a: {SECRET}\n",
    f"{SECRET}: {SECRET}\n",
    f"- {SECRET}\n",
    f"- {SECRET}: {SECRET}\n",
    f"!{SECRET} a",
    f"&{SECRET} a",
    f"*{SECRET}",
    f"'{SECRET}",
    f'"{SECRET}\\q"',
    f"{SECRET}: [\n",
    f"\t{SECRET}: a\n",
    f"%{SECRET}\n---\n",
    f"# {SECRET}\n@{SECRET}",
    f"{SECRET}: a\n---\nb: c\n",
    f"-----BEGIN {SECRET}-----\n{SECRET}\n",
    f'{{"{SECRET}": "{SECRET}"',
    f"chains: {SECRET}\n",
])
def test_nothing_is_quoted_of_a_file_that_is_no_chain(tmp_path: Path, content: str) -> None:
    """A chain from a stranger may name any file of the machine that runs it."""
    (tmp_path / "secret").write_text(content)
    (tmp_path / "secret.txt").write_text(content)
    for chain in (f"chain: [preset: {tmp_path}/secret]", f"chain: [fir: {{file: {tmp_path}/secret.txt}}]"):
        with pytest.raises((ChainError, DesignError)) as caught:
            design_chain(parse_chain(chain), 48000)
        assert SECRET not in str(caught.value)
    with pytest.raises(ChainError) as caught:
        load_chain(tmp_path / "secret")
    assert SECRET not in str(caught.value)


def test_a_mistyped_key_is_still_named() -> None:
    with pytest.raises(ChainError, match=r"unknown key 'chian'; did you mean chain\?"):
        parse_chain("chian: [gain: 3]")
