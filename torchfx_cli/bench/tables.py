"""Results for people: a row a cell, the fastest marked, the reasons below; and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from torchfx_cli.bench.columns import ABOUT, BASELINE, PLACE, SCREEN, Row, headers, rows_of, shown, words
from torchfx_cli.bench.records import STATUSES, Cell, Environment, Measurement, Results, Status

TITLE = "# torchfx bench\n"
BEST = "*"  # behind the fastest of a group
BACKENDS = {
    "cuda": "torch on the GPU, the sound already there",
    "native": "the C kernel on one core",
    "cpu": "torch on the CPU",
    "scipy": "one lfilter for each filter, float64: what people write",
    "scipy-sos": "sosfilt and oaconvolve, float64: the best that SciPy can do",
}


def fastest(results: Results) -> set[Cell]:
    """The cell with the least median of each group that has two or more; the parts of io are each a group."""
    groups: dict[tuple[object, ...], dict[Cell, float]] = {}
    for cell, measurement in results.rows:
        if seconds := measurement.seconds:
            part = cell.label if cell.suite == "io" else ""
            groups.setdefault((*cell.group, part), {})[cell] = seconds
    return {min(times, key=times.__getitem__) for times in groups.values() if len(times) > 1}


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


def legend(rows: Sequence[Row], best: set[Cell], chains: Mapping[str, str]) -> list[str]:
    """What the words of the table mean, as far as they occur; `chains` tells the suites' filters."""
    lines = [f"{BEST}  the fastest of its group; groups do the same work"] if best else []
    for name in dict.fromkeys(row.cell.backend for row in rows if row.seconds is not None):
        if told := BACKENDS.get(name.partition(":")[0]):
            lines.append(f"{name}  {told}")
    lines += [f"{suite}  {chains[suite]}" for suite in dict.fromkeys(row.cell.suite for row in rows) if suite in chains]
    if any(row.speedup for row in rows):
        lines.append(f"x SciPy  how many times faster than {BASELINE}")
    if at_s := sorted({row.scipy_at_s for row in rows if row.scipy_at_s}):
        lengths = " or ".join(f"{one:g} s" for one in at_s)
        lines.append(f"{ABOUT}  SciPy's time is that of {lengths}, multiplied by the length")
    if any(row.gpu_gain for row in rows):
        lines.append("x CPU  how many times faster a GPU is than the fastest backend of the CPU")
    if any(row.seconds and len(row.measurement.times_s) == 1 for row in rows):
        lines.append("1 run  no time was left for more; another may well differ by a tenth")
    return lines


def markdown(results: Results) -> str:
    """A table a suite, and the environment."""
    rows, best = rows_of(results), fastest(results)
    suites = dict.fromkeys(row.cell.suite for row in rows)
    parts = [_section(suite, [row for row in rows if row.cell.suite == suite], best) for suite in suites]
    machine = "\n".join(f"- {name}: {_escaped(value)}" for name, value in environment_words(results.environment))
    return TITLE + "\n" + "\n".join(parts) + f"\n## Measured on\n\n{machine}\n"


def is_markdown(head: bytes) -> bool:
    """Whether a file that begins like this was made by `markdown`."""
    return head.startswith(TITLE.encode())


def environment_words(environment: Environment) -> list[tuple[str, str]]:
    """What is known of the machine, for people."""
    return [(name.replace("_", " "), str(value)) for name, value in asdict(environment).items() if value]


def _section(suite: str, rows: list[Row], best: set[Cell]) -> str:
    names = shown(SCREEN[1:], rows)
    rule = ["---"] * (len(PLACE) - 1) + ["---:"] * (len(names) - len(PLACE) + 1)
    head = [f"## {_escaped(suite)}\n", _row(headers(names)), _row(rule)]
    return "\n".join([*head, *(_row(_markdown_cells(row, names, row.cell in best)) for row in rows)]) + "\n"


def _markdown_cells(row: Row, names: Sequence[str], bold: bool) -> list[str]:
    cells = [_escaped(word) for word in words(row, names)]
    if reason := reason_of(row.measurement):
        cells[names.index("median_s")] = _escaped(reason)
    return [f"**{word}**" for word in cells] if bold else cells


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
