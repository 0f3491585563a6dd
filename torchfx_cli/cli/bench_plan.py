"""Which cells are to be measured, anew or on from an earlier file, and with which filters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torchfx_cli.bench import stored, suites
from torchfx_cli.bench.backends import backend_of
from torchfx_cli.bench.environment import describe
from torchfx_cli.bench.matrix import cells_of, names_for
from torchfx_cli.bench.records import Cell, Environment, Measurement, Results
from torchfx_cli.bench.suites import SUITES, Suite
from torchfx_cli.bench.versus import backends as rivals
from torchfx_cli.cli.bench_asked import Asked
from torchfx_cli.errors import UsageError, printable

# What must be the same for two halves of one run. The clock and the system's patch level may move.
SAME = ("cpu", "cores", "threads", "gpu", "kernel", "torchfx", "torch", "numpy", "scipy")
UNFINISHED = ("skipped", "failed")

NOTHING = Results(())


@dataclass(frozen=True)
class Plan:
    """`cells` are to be measured with `suites`; `kept` was measured before, `old` is to be compared with."""

    suites: dict[str, Suite]
    cells: tuple[Cell, ...]
    environment: Environment
    kept: Results = NOTHING
    old: Results | None = None

    def results(self, rows: Iterable[tuple[Cell, Measurement]]) -> Results:
        """What is known when `rows` have been measured: cells of a group beside one another, each once."""
        found = dict(self.kept.rows) | dict(rows)
        groups = {group: place for place, group in enumerate(dict.fromkeys(cell.group for cell in found))}
        ordered = sorted(found.items(), key=lambda row: groups[row[0].group])
        chains = dict(self.kept.chains) | {name: suite.fingerprint for name, suite in self.suites.items()}
        missing = tuple(cell for cell in (*self.cells, *self.kept.missing) if cell not in found)
        return Results(tuple(ordered), self.environment, tuple(dict.fromkeys(missing)), tuple(chains.items()))


def plan(asked: Asked) -> Plan:
    """Raises UsageError where the options, or an earlier file, do not fit."""
    named = {suite.name: suite for suite in _with_rivals(asked)}
    if asked.resume is not None:
        return _resumed(asked, named)
    old = None if asked.compare is None else stored.load(asked.compare, "--compare")
    if old is None or asked.names_sizes:
        cells = _asked_cells(asked, named)
    else:
        cells = tuple(cell for cell, _ in old.rows)
    known = _suites_of(cells, named, old, f"--compare {asked.compare}")
    return Plan(known, _whole(cells, known), _environment(cells), old=old)


def _with_rivals(asked: Asked) -> tuple[Suite, ...]:
    found = asked.suites()
    if not asked.versus:
        return found
    names = tuple(rival.name for rival in rivals())
    return *found, *(suites.beside(suite, names) for suite in found if suite.kind == "memory" and not suite.source)


def _asked_cells(asked: Asked, named: dict[str, Suite]) -> tuple[Cell, ...]:
    names = asked.backend_names()
    for suite in named.values():
        if suite.kind == "process" and not names_for(suite, names):
            raise UsageError(f"--suite {suite.name}: its backends are {' and '.join(suite.backends)}")
    return cells_of(named.values(), names)


def _resumed(asked: Asked, named: dict[str, Suite]) -> Plan:
    option = f"--resume {asked.resume}"
    asked.refuse("--resume", "--compare")
    kept = stored.load(str(asked.resume), "--resume")
    again = [cell for cell, measurement in kept.rows if measurement.status in UNFINISHED]
    done = {cell for cell, _ in kept.rows} - set(again)
    more = _asked_cells(asked, named) if asked.names_sizes else ()
    cells = tuple(dict.fromkeys(cell for cell in (*kept.missing, *again, *more) if cell not in done))
    known = _suites_of(cells, named, kept, option)
    here = _environment((*cells, *done))
    _require_same(kept.environment, here, option)
    return Plan(known, _whole(cells, known), here, kept)


def _suites_of(cells: Iterable[Cell], named: dict[str, Suite], earlier: Results | None, option: str
               ) -> dict[str, Suite]:
    """The suites of `cells` by name. Raises UsageError where one is unknown, or not what it was in `earlier`."""
    found = {name: _suite(name, named, option) for name in dict.fromkeys(cell.suite for cell in cells)}
    for name, digest in earlier.chains if earlier else ():
        if name in found and found[name].fingerprint != digest:
            raise UsageError(f"{printable(option)}: {printable(name)!r} has other filters or another input there; "
                             "measure it anew, with --json")
    return found


def _suite(name: str, named: dict[str, Suite], option: str) -> Suite:
    if name in named:
        return named[name]
    base, _, kind = name.partition(", ")
    if kind:
        return suites.beside(_suite(base, named, option), tuple(rival.name for rival in rivals()))
    if name in SUITES:
        return suites.suite_of(name)
    raise UsageError(f"{printable(option)}: holds cells of {printable(name)!r}; give that chain again, with --chain or "
                     "--effect (and --input)")


def _whole(cells: Iterable[Cell], known: dict[str, Suite]) -> tuple[Cell, ...]:
    """Without the parts of `process`, which come with the whole."""
    return tuple(cell for cell in cells if known[cell.suite].kind != "process" or cell.label == suites.END_TO_END)


def _environment(cells: Iterable[Cell]) -> Environment:
    gpus = dict.fromkeys(cell.backend for cell in cells if cell.backend.startswith("cuda"))
    return describe(next((name for name in gpus if not backend_of(name).why_not()), ""))


def _require_same(then: Environment, now: Environment, option: str) -> None:
    for name in SAME:
        before, here = getattr(then, name), getattr(now, name)
        if before != here:
            raise UsageError(f"{printable(option)}: was measured with {name} {printable(str(before))}, here it is "
                             f"{printable(str(here))}; two machines are no run (--compare sets them side by side)")
