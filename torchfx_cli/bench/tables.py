"""Results in words: a row a cell, the speed-up against SciPy, the fastest marked; as lines and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import inf

from torchfx_cli.bench.records import STATUSES, Cell, Environment, Measurement, Results, Status

BASELINE = "scipy"
HEADER = ("suite", "audio", "backend", "median", "min", "spread", "x real time", "samples/s", "x SciPy", "SNR",
          "memory")
TITLE = "# torchfx bench\n"


@dataclass(frozen=True)
class Line:
    """A row of words under `HEADER`; `first` of its group, `fastest` in it, `reason` where there is no speed."""

    words: tuple[str, ...]
    first: bool
    fastest: bool
    reason: str


def speedups(results: Results) -> dict[Cell, float]:
    """How many times faster each cell is than SciPy's `lfilter` on the same work, where both have a speed."""
    base = {cell.group: seconds for cell, measurement in results.rows
            if cell.backend == BASELINE and not cell.label and (seconds := measurement.seconds)}
    return {cell: base[cell.group] / seconds for cell, measurement in results.rows
            if (seconds := measurement.seconds) and cell.group in base}


def fastest(results: Results) -> set[Cell]:
    """The cell with the least median of each group that has two or more; the parts of io are no rivals."""
    groups: dict[tuple[object, ...], dict[Cell, float]] = {}
    for cell, measurement in results.rows:
        if seconds := measurement.seconds:
            part = cell.label if cell.suite == "io" else ""
            groups.setdefault((*cell.group, part), {})[cell] = seconds
    return {min(times, key=times.__getitem__) for times in groups.values() if len(times) > 1}


def lines(results: Results) -> list[Line]:
    ratios, best, seen, found = speedups(results), fastest(results), None, []
    for cell, measurement in results.rows:
        found.append(Line(_words(cell, measurement, ratios.get(cell)), cell.group != seen, cell in best,
                          reason_of(measurement)))
        seen = cell.group
    return found


def _words(cell: Cell, measurement: Measurement, speedup: float | None) -> tuple[str, ...]:
    place = cell.suite, f"{cell.duration_s:g} s x {cell.channels}", cell.name
    seconds, least_s = measurement.seconds, measurement.least_s
    if seconds is None or least_s is None:
        return *place, measurement.status, "-", "-", "-", "-", "-", decibels(measurement.error_db), "-"
    return (*place, duration(seconds), duration(least_s), _percent(measurement.spread),
            count(cell.duration_s / seconds), count(cell.samples / seconds), "-" if speedup is None else count(speedup),
            decibels(measurement.error_db), _memory(measurement))


def reason_of(measurement: Measurement) -> str:
    """`skipped: needs about 5 GB ...`; "" where there is a speed."""
    if measurement.status == "ok":
        return ""
    return f"{measurement.status}: {measurement.reason}" if measurement.reason else measurement.status


def notes(results: Results, statuses: Sequence[Status] = STATUSES) -> list[str]:
    """Why cells of `statuses` have no speed, each reason once."""
    cells: dict[tuple[str, str], list[Cell]] = {}
    for cell, measurement in results.rows:
        if measurement.status in statuses and (reason := reason_of(measurement)):
            cells.setdefault((cell.name, reason), []).append(cell)
    return [f"{_which(found)}: {reason}" for (_, reason), found in cells.items()]


def _which(cells: list[Cell]) -> str:
    first = cells[0]
    if len(cells) > 1:
        return f"{first.name}, {len(cells)} cells"
    return f"{first.suite} {first.duration_s:g} s x {first.channels} {first.name}"


def markdown(results: Results) -> str:
    """A table a suite, and the environment."""
    rows = lines(results)
    suites = dict.fromkeys(row.words[0] for row in rows)
    parts = [_section(suite, [row for row in rows if row.words[0] == suite]) for suite in suites]
    machine = "\n".join(f"- {name}: {_escaped(value)}" for name, value in environment_words(results.environment))
    return TITLE + "\n" + "\n".join(parts) + f"\n## Measured on\n\n{machine}\n"


def is_markdown(head: bytes) -> bool:
    """Whether a file that begins like this was made by `markdown`."""
    return head.startswith(TITLE.encode())


def environment_words(environment: Environment) -> list[tuple[str, str]]:
    """What is known of the machine, for people."""
    return [(name.replace("_", " "), str(value)) for name, value in asdict(environment).items() if value]


def _section(suite: str, rows: list[Line]) -> str:
    head = [f"## {_escaped(suite)}\n", _row(HEADER[1:]), _row(["---", "---", *["---:"] * (len(HEADER) - 3)])]
    return "\n".join([*head, *(_row(_markdown_cells(row)) for row in rows)]) + "\n"


def _markdown_cells(row: Line) -> list[str]:
    words = [_escaped(word) for word in row.words[1:]]
    if row.reason:
        words[2] = _escaped(row.reason)
    return [f"**{word}**" for word in words] if row.fastest else words


def _row(words: Iterable[str]) -> str:
    return f"| {' | '.join(words)} |"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")


def duration(seconds: float) -> str:
    """`12.3 µs`, `4.56 ms`, `1.23 s`, to three digits."""
    for unit, scale in (("µs", 1e6), ("ms", 1e3)):
        if seconds * scale < 999.5:
            return f"{_digits(seconds * scale)} {unit}"
    return f"{_digits(seconds)} s"


def count(number: float) -> str:
    """`0.52`, `8.4`, `774`, `12.3 k`, `1.2 M`, `3.1 G`, to three digits."""
    for unit, scale in ((" G", 1e9), (" M", 1e6), (" k", 1e4)):
        if number >= scale:
            return f"{_digits(number / (1e3 if unit == ' k' else scale))}{unit}"
    return _digits(number)


def _digits(number: float) -> str:
    return f"{number:.0f}" if number >= 99.5 else f"{number:.3g}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100.0 * share:.1f} %"


def decibels(error_db: float | None) -> str:
    if error_db is None or error_db == -inf:
        return "-"
    return "exact" if error_db == inf else f"{error_db:.0f} dB"


def _memory(measurement: Measurement) -> str:
    """Host, and the device's behind a plus."""
    host, device = measurement.host_mb, measurement.device_mb
    words = [f"{host:.0f} MB"] if host is not None else []
    return " + ".join([*words, *([f"{device:.0f} MB on device"] if device is not None else [])]) or "-"
