"""Chain files and inline effects -> ChainSpec, or every mistake in them at once.

    load_chain("eq.yaml")                       a file, with the presets and sub-chains that it names
    parse_chain(text)                           the same from a string
    parse_effect("highpass:cutoff=80,order=4")  what follows -e on the command line
    join(chains, effects)                       several in a row

A complaint reads `eq.yaml:7: chain[2].highpass.cutoff: found '30 dB' (...); allowed: ...`. Reading goes on
after a mistake, so `ChainError.problems` lists all of them, those of included files too, each once.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from collections.abc import Sequence as SequenceOf
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torchfx_cli.chain.document import (
    MAX_FILE_BYTES,
    Mapping,
    Mistake,
    Node,
    Scalar,
    Sequence,
    decode,
    found,
    parse_document,
    quoted,
    read_bytes,
)
from torchfx_cli.chain.elsewhere import foreign_hint
from torchfx_cli.chain.inline import as_in_a_file, effect_node
from torchfx_cli.chain.limits import first_beyond
from torchfx_cli.chain.presets import locate
from torchfx_cli.chain.schema import PRESET, TOP_KEYS
from torchfx_cli.chain.spec import ChainSpec
from torchfx_cli.chain.stage import name_and_body, read_beside, read_stage, unique_keys
from torchfx_cli.chain.values import nearest, read_text
from torchfx_cli.effects import parallel
from torchfx_cli.effects.beside import BESIDE, MAX_STAGES, applied
from torchfx_cli.effects.kind import Origin, StageSpec
from torchfx_cli.effects.parallel import count
from torchfx_cli.effects.repeat import RepeatSpec
from torchfx_cli.effects.table import KINDS
from torchfx_cli.errors import ChainError, printable
from torchfx_cli.samples import STARTS, Start

BRANCH = "a list of stages, one stage, or the keys chain and gain, like {chain: [highpass: 80 Hz], gain: -3 dB}"
BRANCHES = f"a list of 1 to {parallel.MAX_BRANCHES} branches, each {BRANCH}"
MAX_INCLUDES = 16  # files open inside one another
MAX_PROBLEMS = 100


def load_chain(path: str | os.PathLike[str]) -> ChainSpec:
    """The chain in the file `path` (`presets.find` gives it for a preset's name). Raises ChainError."""
    reading = _Reading()
    try:
        return reading.finish(reading.file(Path(path)))
    except Mistake as mistake:
        raise ChainError(printable(f"{os.fspath(path)}: {mistake}")) from None


def parse_chain(text: str, file: str = "chain.yaml", folder: str | os.PathLike[str] = "") -> ChainSpec:
    """The chain in `text`; `file` names it in messages, relative names start from `folder`. Raises ChainError."""
    reading = _Reading()
    return reading.finish(_Source(reading, file, Path(folder)).chain(text))


def parse_effect(text: str, where: str = "") -> tuple[StageSpec, ...]:
    """The stage in `kind`, `kind:value` or `kind:key=value,...`; the stages of `preset:NAME`. Raises ChainError.

    `where` stands in front of complaints; without it, `-e` and the text.
    """
    reading = _Reading()
    stages = _Source(reading, where or f"-e {quoted(text)}", Path(), numbered=False).effect(text)
    return reading.finish(ChainSpec(text, tuple(stages))).stages


def join(chains: SequenceOf[ChainSpec], effects: SequenceOf[str] = (),
         behind: MappingOf[str, SequenceOf[StageSpec]] | None = None) -> ChainSpec:
    """`chains`, `effects` (as for `parse_effect`), and stages `behind` them by name, in a row. Raises ChainError."""
    if len(chains) == 1 and not effects and not behind:
        return chains[0]
    reading = _Reading()
    stages = [stage for chain in chains for stage in chain.stages]
    for chain in chains:
        reading.files += chain.files
    starts = [chain.start for chain in chains]
    for effect in effects:
        source = _Source(reading, f"-e {quoted(effect)}", Path(), numbered=False)
        stages += source.effect(effect)
        starts += source.starts
    for more in (behind or {}).values():
        stages += more
    if count(stages) > MAX_STAGES:
        reading.complain(f"{count(stages)} stages in all; at most {MAX_STAGES} are allowed")
    name = " + ".join([chain.name for chain in chains] + [_short(effect) for effect in effects] + [*(behind or ())])
    return reading.finish(ChainSpec(name, tuple(stages), start=_together(starts)))


class _Reading:
    """What is gathered while a chain is read with everything it names: mistakes, contents, files open and done."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self._problems: list[str] = []
        self._open: dict[str, str] = {}
        self._done: dict[str, ChainSpec] = {}
        self._taps_files: dict[str, bytes] = {}

    def complain(self, problem: str) -> None:
        self._problems.append(printable(problem))
        if len(self._problems) == MAX_PROBLEMS:
            raise ChainError([*self._problems, f"these are the first {MAX_PROBLEMS} mistakes; there may be more"])

    def finish(self, chain: ChainSpec) -> ChainSpec:
        if self._problems:
            raise ChainError(self._problems)
        if beyond := first_beyond(chain.stages):
            raise ChainError(printable(beyond))
        return replace(chain, files=tuple(self.files))

    def taps_file(self, path: str, most_bytes: int) -> bytes:
        """The content of the file, read once however often it is named. Raises Mistake."""
        if path not in self._taps_files:
            self._taps_files[path] = read_bytes(path, most_bytes)
            self.files.append(path)
        return self._taps_files[path]

    def file(self, path: Path) -> ChainSpec:
        """The chain in a file, read once however often it is named. Raises Mistake if it cannot be read at all."""
        identity = _absolute(path, os.path.realpath)
        if identity in self._open:
            loop = [*self._open.values()][[*self._open].index(identity):]
            raise Mistake(f"chains in a loop: {' -> '.join([*loop, loop[0]])}")
        if identity not in self._done:
            if len(self._open) == MAX_INCLUDES:
                raise Mistake(f"more than {MAX_INCLUDES} files inside one another are not allowed")
            content = read_bytes(path, MAX_FILE_BYTES)
            self.files.append(identity)
            self._open[identity] = path.name
            self._done[identity] = _Source(self, str(path), path.parent).chain(content)
            del self._open[identity]
        return self._done[identity]


class _Source:
    """One text being read: its name in messages, and where the relative names in it start from.

    starts  how the chains that it names want to begin.
    """

    def __init__(self, reading: _Reading, file: str, folder: Path, numbered: bool = True) -> None:
        self._reading, self._file, self._folder, self._numbered = reading, file, folder, numbered
        self.starts: list[Start] = []

    def chain(self, content: bytes | str) -> ChainSpec:
        name = Path(self._file).stem
        try:
            root = parse_document(decode(content) if isinstance(content, bytes) else content)
            if not isinstance(root, Mapping):
                what = "text" if isinstance(root, Scalar) else found(root)
                raise Mistake(f"found {what}; expected a map with the keys {', '.join(TOP_KEYS)}", root.line)
            top = self._top(root)
            stages = tuple(self._stages(top["chain"]))
            return ChainSpec(self._text(top, "name") or name, stages, self._text(top, "description"),
                             start=self._start(top) or _together(self.starts))
        except Mistake as mistake:
            self._complain(mistake)
            return ChainSpec(name, ())

    def effect(self, text: str) -> list[StageSpec]:
        try:
            return self._stage(effect_node(text), "")
        except Mistake as mistake:
            self._complain(mistake)
            return []

    def _top(self, root: Mapping) -> dict[str, Node]:
        mistakes: list[Mistake] = []
        top = unique_keys(root.pairs, list(TOP_KEYS), mistakes)
        for mistake in mistakes:
            if "chain" in top or "did you mean" in str(mistake):
                self._complain(mistake)
        if "chain" not in top:
            foreign = foreign_hint(key.text for key, _ in root.pairs if isinstance(key, Scalar))
            raise Mistake("chain is missing" + (
                foreign or "; write `chain:` and below it a list of stages, like `- highpass: 80 Hz`"))
        return top

    def _text(self, top: dict[str, Node], key: str) -> str:
        try:
            return read_text(top[key], "a line of text") if key in top else ""
        except Mistake as mistake:
            self._complain(mistake, key)
            return ""

    def _start(self, top: dict[str, Node]) -> Start | None:
        word = self._text(top, "start")
        for start in STARTS:
            if word == start:
                return start
        if "start" in top:
            allowed = f"found {found(top['start'])}; allowed: {', '.join(STARTS)}"
            self._complain(Mistake(allowed, top["start"].line), "start")
        return None

    def _stages(self, node: Node, path: str = "chain") -> list[StageSpec]:
        if not isinstance(node, Sequence) or not node.items:
            what = "an empty list" if isinstance(node, Sequence) else found(node)
            raise Mistake(f"found {what}; expected a list of stages, like `- highpass: 80 Hz`", node.line, path)
        stages: list[StageSpec] = []
        total = 0
        for index, entry in enumerate(node.items):
            more = self._stage(entry, f"{path}[{index}]")
            total += count(more)
            stages += more
            _check_count(total, entry.line, f"{path}[{index}]")
        return stages

    def _stage(self, entry: Node, path: str) -> list[StageSpec]:
        try:
            name, body, pairs = name_and_body(as_in_a_file(entry))
            beside, mistakes = read_beside(pairs)
            first = f" ({name.text} stands first, so it is the stage)" if name.text in BESIDE else ""
            for mistake in mistakes:
                self._complain(Mistake(f"{mistake}{first}", mistake.line, mistake.path), path)
            path, known = f"{path}.{_short(name.text)}".lstrip("."), len(self.starts)
            stages = self._preset(name, body) if name.text == PRESET else self._own(name, body, path)
            if beside.get("bypass"):
                del self.starts[known:]
            return list(self._applied(stages, beside, name, path)) if beside else list(stages)
        except Mistake as mistake:
            self._complain(mistake, path)
            return []

    def _own(self, name: Scalar, body: Node | None, path: str) -> tuple[StageSpec, ...]:
        """The stage that is written here, repeated ones in a row; nothing where there is a mistake, which is told."""
        nested: dict[str, Callable[[Node], Any]] = {
            "chain": partial(self._inner, path=f"{path}.stages"), "branches": partial(self._branches, path=path)}
        spec, mistakes = read_stage(name, body, self._origin(name, path), nested)
        for mistake in mistakes:
            self._complain(mistake, path)
        if spec and spec.files and (file := getattr(spec, "file", None)) is not None:
            spec = self._with_content(spec, file, (body or name).line)
        if isinstance(spec, RepeatSpec):
            _check_count(spec.times * count(spec.stages), name.line)
            return spec.stages * spec.times
        return (spec,) if spec else ()

    def _applied(self, stages: tuple[StageSpec, ...], beside: dict[str, Any], name: Scalar, path: str
                 ) -> tuple[StageSpec, ...]:
        """`stages` with the keys beside them. Raises Mistake."""
        _check_count(beside.get("repeat", 1) * count(stages), name.line)
        return applied(stages, beside, name.text, self._origin(name, path)) if stages else ()

    def _origin(self, node: Node, path: str) -> Origin:
        return Origin(self._file, node.line if self._numbered else 0, path)

    def _inner(self, node: Node, path: str) -> tuple[StageSpec, ...]:
        """The stages inside one, or a single one; mistakes in them are told."""
        try:
            return tuple(self._stages(node, path) if isinstance(node, Sequence) else self._stage(node, path))
        except Mistake as mistake:
            self._complain(mistake)
            return ()

    def _branches(self, node: Node, path: str) -> tuple[tuple[StageSpec, ...], ...]:
        """The chains of `parallel`; mistakes in one of them are told, and it is left out."""
        if not isinstance(node, Sequence) or not 1 <= len(node.items) <= parallel.MAX_BRANCHES:
            raise Mistake(f"found {found(node)}; allowed: {BRANCHES}", node.line)
        return tuple(self._branch(branch, f"{path}[{n}]") for n, branch in enumerate(node.items))

    def _branch(self, node: Node, path: str) -> tuple[StageSpec, ...]:
        if isinstance(node, Mapping) and _has_branch_keys(node):
            return self._branch_of_keys(node, path)
        if isinstance(node, Sequence) or (isinstance(node, Mapping) and node.pairs) or _names_a_kind(node):
            return self._inner(node, path)
        self._complain(Mistake(f"found {found(node)}; allowed: {BRANCH}", node.line), path)
        return ()

    def _branch_of_keys(self, node: Mapping, path: str) -> tuple[StageSpec, ...]:
        mistakes: list[Mistake] = []
        keys = unique_keys(node.pairs, ["chain", "gain"], mistakes)
        for mistake in mistakes:
            self._complain(mistake, path)
        stages = self._inner(keys["chain"], f"{path}.chain") if "chain" in keys else ()
        if "gain" not in keys:
            return stages
        return (*stages, *self._stage(Mapping(node.line, [(Scalar(keys["gain"].line, "gain"), keys["gain"])]), path))

    def _preset(self, name: Scalar, body: Node | None) -> tuple[StageSpec, ...]:
        due = "the name of a preset or of a chain file, like rumble-filter"
        wanted = read_text(body or Scalar(name.line, "", is_null=True), due)
        try:
            chain = self._reading.file(locate(wanted, self._folder))
            self.starts.append(chain.start)
            return chain.stages
        except Mistake as mistake:
            raise Mistake(f"{quoted(wanted)}: {mistake}", (body or name).line) from None

    def _with_content(self, spec: StageSpec, file: str, line: int) -> StageSpec:
        try:
            path = _absolute(self._folder / file, os.path.abspath)
            if not path.lower().endswith(spec.files):
                raise Mistake(f"allowed: a file whose name ends in {', '.join(spec.files)}")
            content = self._reading.taps_file(path, spec.max_file_bytes)
            filled: StageSpec = replace(spec, file=path, content=content)  # type: ignore[call-arg]
            if problem := filled.content_problem():
                raise Mistake(problem)
            return filled
        except Mistake as mistake:
            raise Mistake(f"{quoted(file)}: {mistake}", line, ".file") from None

    def _complain(self, mistake: Mistake, path: str = "") -> None:
        path = f"{path}{mistake.path}".lstrip(".")
        place = self._file
        if self._numbered and mistake.line:
            place += f":{mistake.line}" + (f":{mistake.column}" if mistake.column else "")
        self._reading.complain(": ".join(part for part in (place, path, str(mistake)) if part))


def _has_branch_keys(node: Mapping) -> bool:
    """Whether a map is a chain with its gain; a gain with other keys beside it is a stage."""
    keys = {key.text for key, _ in node.pairs if isinstance(key, Scalar)}
    return "chain" in keys or ("gain" in keys and not keys & set(BESIDE))


def _names_a_kind(node: Node) -> bool:
    return isinstance(node, Scalar) and (node.text in KINDS or bool(nearest(node.text, KINDS)))


def _check_count(stages: int, line: int, path: str = "") -> None:
    if stages > MAX_STAGES:
        raise Mistake(f"more than {MAX_STAGES} stages are not allowed", line, path)


def _together(starts: SequenceOf[Start]) -> Start:
    """How a chain of several begins: steady where one of them needs that."""
    return "steady" if "steady" in starts else "rest"


def _absolute(path: Path, way: Callable[[Path], str]) -> str:
    try:
        return way(path)
    except OSError as error:  # the current folder is gone
        raise Mistake(f"the current folder cannot be read: {error.strerror}") from None
    except ValueError:
        raise Mistake("no file can have this name") from None


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."
