"""The help of the program, written without typer, which takes longer to load than the rest of the answer.

That its text and its lines are those of typer is tested.
"""

from __future__ import annotations

import os
import sys

# In the order of the help. Each is the function of that name in the file of that name, which is loaded when it is
# asked for; beside it the first sentence of its help.
COMMANDS = {
    "process": "Apply a chain to audio files; in.wav becomes processed/in.wav.",
    "watch": "Apply a chain to what is put into FOLDER, once it is whole.",
    "report": "Put the reports of several runs together, such as those of --shard.",
    "presets": "List the ready chains; with NAME, print its file.",
    "filters": "List the filters and effects; with KIND, its keys.",
    "plot": "Show what a chain does, or how sound files differ.",
    "explain": "Tell what a chain does: formulas, sections, -3 dB points, noise, cost.",
    "check": "Tell whether chain files are right, without any audio.",
    "schema": "Print the JSON Schema of chain files, for editors.",
    "import_": "Turn an equaliser from another program into a chain file.",
    "export": "Say a chain in the words of another program.",
    "info": "Show format, length, tags and oddities of files and folders.",
    "diff": "Compare two files sample for sample: error, shift, gain, spectrum.",
    "verify": "Compute a file by every engine, device and block size here, and compare.",
    "devices": "List the devices and engines of this machine, and the library of files in use.",
    "bench": "Measure backends: GPU, C kernel, torch, SciPy; time and error.",
    "warm": "Keep a process ready, so that later calls start at once.",
    "help_": "Show this help; with COMMAND, that of the command.",
}
OPTIONS = {
    "--version": "Show the version and leave.",
    "--install-completion": "Install completion for the current shell.",
    "--show-completion": "Show completion for the current shell, to copy it or customize the installation.",
    "-h, --help": "Show this message and exit.",
}
USAGE = "torchfx [OPTIONS] COMMAND [ARGS]..."
SENTENCE = "Filter chains written in YAML, applied to audio files of any length."
EXAMPLES = ("  torchfx process in.wav -c podcast-voice     writes processed/in.wav",
            "  torchfx help COMMAND                        more about a command")
COLUMN = 26  # characters for the names of options; a longer one has a line of its own
NARROWEST = 50  # characters to a line, however narrow the terminal is


def name_of(function: str) -> str:
    """What is typed for the function `import_`."""
    return function.strip("_")


def help_lines() -> list[str]:
    """As wide as the terminal less two characters, like all help of the parser."""
    width = max(_columns() - 2, NARROWEST)
    commands = {name_of(function): sentence for function, sentence in COMMANDS.items()}
    return [f"Usage: {USAGE}", "", *_wrapped("  ", SENTENCE, width), "", *(f"  {line}" for line in EXAMPLES), "",
            "Commands:", *_table(commands, max(map(len, commands)), width), "",
            "Options:", *_table(OPTIONS, COLUMN, width)]


def _table(rows: dict[str, str], column: int, width: int) -> list[str]:
    return [line for name, text in rows.items() for line in _wrapped(f"  {name:{column}}  ", text, width)]


def _wrapped(head: str, text: str, width: int) -> list[str]:
    """`head` and `text`, which goes on below its own beginning."""
    lines = [head]
    for word in text.split():
        if len(lines[-1]) + len(word) > width:
            lines.append(" " * len(head))
        lines[-1] += f"{word} "
    return [line.rstrip() for line in lines]


def _columns() -> int:
    """Those of the terminal as `shutil` tells them, which takes longer to load than to ask."""
    wanted = os.environ.get("COLUMNS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]
    except (AttributeError, OSError, ValueError):
        return 80
