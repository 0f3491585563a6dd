"""`torchfx info`: what a sound file is, as far as its header tells, and with --check what it really holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from torchfx_cli.cli import show, signals
from torchfx_cli.errors import FileError
from torchfx_cli.samples import FLOAT64, block_frames

if TYPE_CHECKING:
    from torchfx_cli.stream.reader import FileFacts, Source


def info(
    files: Annotated[list[str], typer.Argument(metavar="FILE", hidden=True)],
    check: Annotated[bool, typer.Option("--check", help="Read every sample: real length, peak, damage.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON record a file.")] = False,
) -> None:
    """Show format, length, tags and oddities of files.

    Exit code 3 where some file could not be read, or with --check is damaged.
    """
    with signals.promptly():
        code = max(_show(name, check=check, as_json=as_json) for name in files)
    raise typer.Exit(code)


def _show(name: str, *, check: bool, as_json: bool) -> int:
    """Show one file; returns its exit code."""
    code = 0
    try:
        record = _facts(Path(name), check=check)
    except FileError as error:
        code = error.exit_code
        record = {"input": name, "error": str(error)}
        show.tell_failure(name, str(error))
    if as_json:
        show.say(json.dumps(record))
    elif not code:
        show.say(*_lines(record))
    return FileError.exit_code if record.get("damaged") else code


def _facts(path: Path, *, check: bool) -> dict[str, Any]:
    from torchfx_cli.stream.metadataplan import contents
    from torchfx_cli.stream.reader import open_source
    from torchfx_cli.stream.speakers import names

    with open_source(path) as source:
        facts = source.facts
        record = {
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
            "also": list(contents(source.metadata)),
        }
        if check:
            peak = _read_all(source, facts)
            record |= {"frames": source.frames_read, "duration_s": source.frames_read / facts.fs, "peak": peak}
            record["damaged"] = source.damaged
        return record | {"warnings": list(source.warnings), "notes": list(source.notes)}


def _read_all(source: Source, facts: FileFacts) -> float:
    """The peak of the whole file, 1 = full scale; raises where it is damaged or holds NaN."""
    from torchfx_cli.plan.assemble import assemble
    from torchfx_cli.render.native import NativeEngine

    engine = NativeEngine(assemble((), facts.fs, facts.channels, facts.sample_format, FLOAT64))
    for block in source.blocks(block_frames(facts.channels)):
        engine.process(block)
    return engine.levels.peak


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
    if "peak" in record:
        lines.append(f"peak {show.level(record['peak'])}")
    lines += [f"{tag}: {text}" for tag, text in record["tags"].items()]
    if record["also"]:
        lines.append(f"also holds: {', '.join(record['also'])}")
    lines += [f"{kind}: {text}" for kind in ("note", "warning") for text in record[f"{kind}s"]]
    return [record["input"], *(f"  {line}" for line in lines)]


def _size(count: int) -> str:
    return f"{count} bytes" if count < 10_000 else f"{count / 1e6:.2f} MB"
