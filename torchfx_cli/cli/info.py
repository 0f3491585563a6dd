"""`torchfx info`: what a sound file is, by its header, and with --check or --stats what it really holds."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from torchfx_cli.cli import contents, show, signals
from torchfx_cli.errors import FileError, UsageError, printable
from torchfx_cli.records import dataclass

if TYPE_CHECKING:
    from torchfx_cli.tasks.requirements import Requirement

NOWHERE = ""  # in the place of an output folder: all folders are searched, those of outputs, too


def info(
    files: Annotated[list[str], typer.Argument(metavar="FILE|FOLDER", hidden=True)],
    check: Annotated[bool, typer.Option("--check", help="Read every sample: real length, peak, damage.")] = False,
    stats: Annotated[bool, typer.Option(
        "--stats", help="Measure loudness, its range and loudest moments, true peak, peak, RMS and noise floor (the "
                        "quietest half second).")] = False,
    require: Annotated[list[str] | None, typer.Option(
        metavar="WHAT", help='Hold files to "loudness=-23±0.5,true_peak<=-1"; also loudness_range, max_momentary, '
                             "max_short_term, peak, rms, noise_floor, rate, channels, duration.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON record a file.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a table for spreadsheets, a row a file.")] = False,
) -> None:
    """Show format, length, tags and oddities of files and folders.

    \b
      torchfx info in.wav
      torchfx info album/ --stats --require "loudness=-16±1,true_peak<=-1 dBTP"
      torchfx info archive/ --csv > archive.csv

    --require tells what a file misses and the gain that it would need. ± may be written +-, and is 0.1 dB where a
    level has none; levels are compared to 0.01 dB, as they are shown.

    Exit code 3 where some file could not be read, misses something, or with --check is damaged.
    """
    requirements = _requirements(require or [])
    if as_json and as_csv:
        raise UsageError("--json and --csv contradict each other; give one of them")
    asked = _Asked(check, _levels(requirements, all_of_them=stats), requirements, as_json, as_csv)
    if as_csv:
        show.say(contents.table_head())
    with signals.promptly():
        codes = [_show(path, fault, asked) for path, fault in _found(files)]
    bad = sum(code != 0 for code in codes)
    if requirements and len(codes) > 1 and bad:
        show.tell(f"{bad} of {show.count(len(codes), 'file')} {'does' if bad == 1 else 'do'} not meet what is required")
    raise typer.Exit(max(codes))


@dataclass(frozen=True)
class _Asked:
    """What is to be shown of each file; `levels` by name, see `tasks.stats`."""

    check: bool
    levels: frozenset[str]
    requirements: tuple[Requirement, ...]
    as_json: bool
    as_csv: bool


def _found(words: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """Each file that is meant, and why it cannot be read where that is known."""
    if all(map(os.path.isfile, words)):  # which need not be searched for
        yield from ((word, None) for word in words)
        return
    from torchfx_cli.tasks.inputs import gather
    from torchfx_cli.tasks.scan import UNDECODED_WORDS

    left_out: list[tuple[str, str]] = []
    found = gather(words, output=NOWHERE, left_out=lambda path, reason: left_out.append((path, reason)))
    for remark in found.remarks:
        show.tell(f"torchfx: warning: {printable(remark)}", "yellow")
    yield from ((one.path, one.fault) for one in found.inputs)
    yield from ((path, reason) for path, reason in left_out if reason.endswith(UNDECODED_WORDS))


def _requirements(texts: Sequence[str]) -> tuple[Requirement, ...]:
    if not texts:
        return ()
    from torchfx_cli.tasks.requirements import parse_requirements

    return parse_requirements(",".join(texts))


def _levels(requirements: Iterable[Requirement], *, all_of_them: bool) -> frozenset[str]:
    if not all_of_them:
        return frozenset(one.key for one in requirements if one.is_level)
    from torchfx_cli.tasks.stats import LEVELS

    return frozenset(LEVELS)


def _show(path: str, fault: str | None, asked: _Asked) -> int:
    """Show one file; returns its exit code."""
    code = 0
    try:
        if fault is not None:
            raise FileError(fault)
        record = _facts(Path(path), asked)
    except FileError as error:
        code = error.exit_code
        record = {"input": path, "error": str(error)}
        show.tell_failure(path, str(error))
    if asked.as_json:
        show.say(_as_json(record))
    elif asked.as_csv:
        show.say(contents.table_row(record))
    elif not code:
        show.say(*_lines(record))
    return FileError.exit_code if record.get("damaged") or record.get("misses") else code


def _facts(path: Path, asked: _Asked) -> dict[str, Any]:
    from torchfx_cli.stream import metadataplan
    from torchfx_cli.stream.described import described
    from torchfx_cli.stream.reader import open_source
    from torchfx_cli.stream.speakers import names

    with open_source(path) as source:
        facts = source.facts
        record: dict[str, Any] = {
            "input": str(path),
            "container": facts.container,
            "subtype": facts.subtype,
            "fs": facts.fs,
            "channels": facts.channels,
            "speakers": list(names(facts.channel_map)),
            "frames": facts.frames,
            "duration_s": facts.duration_s,
            "file_bytes": facts.file_bytes,
            "kbps": None if facts.kbps is None else round(facts.kbps, 1),
            "tags": dict(facts.tags),
            "also": list(metadataplan.contents(source.metadata)),
        }
        more = described(source.metadata, facts.fs)
        record["tags"] |= more.pop("tags", {})
        record |= more
        levels: dict[str, float | None] = {}
        needs_length = facts.duration_s is None and any(one.key == "duration" for one in asked.requirements)
        if asked.check or asked.levels or needs_length:
            from torchfx_cli.tasks.stats import read_all

            peak, levels = read_all(source, asked.levels)
            record |= {"frames": source.frames_read, "duration_s": source.frames_read / facts.fs}
            if asked.check:
                record |= {"peak": peak, "damaged": source.damaged}
            if asked.levels:
                record["levels"] = levels
        if asked.requirements:
            from torchfx_cli.tasks.requirements import verdict

            values: dict[str, Any] = {"rate": facts.fs, "channels": facts.channels, "duration": record["duration_s"]}
            record |= asdict(verdict(asked.requirements, values | levels))
        return record | {"warnings": list(source.warnings), "notes": list(source.notes)}


def _as_json(record: dict[str, Any]) -> str:
    """Of silence, whose level JSON has no number for, null."""
    levels = {name: None if db == -inf else db for name, db in record.get("levels", {}).items()}
    plain = {name: value for name, value in record.items() if name != "shown"}
    return json.dumps(plain | ({"levels": levels} if levels else {}))


def _lines(record: dict[str, Any]) -> list[str]:
    """The record for people: two spaces before what belongs to the name above."""
    frames, seconds = record["frames"], record["duration_s"]
    length = "length unknown" if frames is None else f"{show.clock(seconds)} ({show.count(frames, 'frame')})"
    rate = "" if record["kbps"] is None else f", {record['kbps']:.0f} kbit/s"
    lines = [
        f"{record['container']} {record['subtype']}, {record['fs']} Hz, {show.count(record['channels'], 'channel')}",
        f"{length}, {_size(record['file_bytes'])}{rate}",
    ]
    if len(record["speakers"]) > 2:
        lines.append(f"speakers: {' '.join(record['speakers'])}")
    if "peak" in record and "peak" not in record.get("levels", {}):
        lines.append(f"peak {show.level(record['peak'])}")
    lines += _level_lines(record["levels"]) if "levels" in record else []
    lines += contents.content_lines(record)
    lines += [f"{kind}: {text}" for kind in ("note", "warning") for text in record[f"{kind}s"]]
    lines += [f"misses {text}" for text in record.get("misses", ())]
    lines += [record["advice"]] if record.get("advice") else []
    return [record["input"], *(f"  {line}" for line in lines)]


def _level_lines(levels: dict[str, float | None]) -> list[str]:
    from torchfx_cli.tasks.requirements import in_words

    return [f"{name.replace('_', ' ')} {in_words(name, db)}" for name, db in levels.items()]


def _size(count: int) -> str:
    return f"{count} bytes" if count < 10_000 else f"{count / 1e6:.2f} MB"
