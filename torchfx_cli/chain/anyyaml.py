"""YAML of any form -> nodes, by PyYAML's events.

Never by its constructors: those turn `010` into 8, `no` into False, keep the last of two equal keys, follow aliases
(294 bytes hold 10^8 nodes) and recurse.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from torchfx_cli.chain.document import NULLS, Mapping, Mistake, Node, Scalar, Sequence, quoted

MAX_DEPTH = 26  # file > chain > stage > keys > rows > numbers: 6, and 5 for each parallel > branches > branch > chain
MAX_NODES = 100_000  # read in well under a second; longer lists of taps belong in a file of their own

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CHAIN_KEY = re.compile(r"""(?m)(?:^|[{,])[ \t]*["']?chain["']?[ \t]*:""")


def read_any(text: str) -> Node | None:
    """The one document in `text`, None where there is none. Raises Mistake."""
    try:
        return _build(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        raise _syntax_mistake(error, text) from None
    except yaml.YAMLError:
        raise Mistake("is not YAML") from None


def _build(events: Iterator[yaml.Event]) -> Node | None:
    """Nodes from events, with a stack instead of recursion."""
    root: Node | None = None
    open_nodes: list[Sequence | Mapping] = []
    keys: list[Node | None] = []  # for every open mapping the key whose value is due
    nodes = 0
    for event in events:
        if isinstance(event, yaml.CollectionEndEvent):
            node: Node = open_nodes.pop()
            keys.pop()
        elif isinstance(event, yaml.NodeEvent):
            nodes += 1
            node = _node(event)
            _check_budget(node, nodes, len(open_nodes))
            if not isinstance(node, Scalar):
                open_nodes.append(node)
                keys.append(None)
                continue
        elif isinstance(event, yaml.DocumentStartEvent) and root is not None:
            raise Mistake("a second document starts here ('---'); one file holds one chain", _line(event))
        else:
            continue
        if not open_nodes:
            root = node
        elif isinstance(parent := open_nodes[-1], Sequence):
            parent.items.append(node)
        elif (key := keys[-1]) is None:
            keys[-1] = node
        else:
            parent.pairs.append((key, node))
            keys[-1] = None
    return root


def _node(event: yaml.NodeEvent) -> Node:
    line = _line(event)
    if isinstance(event, yaml.AliasEvent):
        raise Mistake("aliases (*NAME) are not allowed; write it out, or use `- preset: FILE`", line)
    if event.anchor is not None:
        raise Mistake("anchors (&NAME) are not allowed; write it out, or use `- preset: FILE`", line)
    if getattr(event, "tag", None) is not None:
        raise Mistake("tags (!NAME) are not allowed: a chain holds only maps, lists, words and numbers", line)
    if isinstance(event, yaml.SequenceStartEvent):
        return Sequence(line)
    if isinstance(event, yaml.MappingStartEvent):
        return Mapping(line)
    assert isinstance(event, yaml.ScalarEvent)
    return Scalar(line, event.value, is_null=event.style in (None, "") and event.value in NULLS)


def _check_budget(node: Node, nodes: int, depth: int) -> None:
    if nodes > MAX_NODES:
        raise Mistake(f"holds more than {MAX_NODES} values; put long lists of taps into a file (fir: {{file: ...}})",
                      node.line)
    if depth >= MAX_DEPTH:
        raise Mistake(f"nesting deeper than {MAX_DEPTH} is not allowed", node.line)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 0


def _syntax_mistake(error: yaml.MarkedYAMLError, text: str) -> Mistake:
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return Mistake("is not YAML")
    lines = text.splitlines()
    at_end = mark.line >= len(lines) or not lines[mark.line].strip()
    if not at_end and "\t" in lines[mark.line][: mark.column + 1]:
        return Mistake("a tab cannot indent in YAML; use spaces", mark.line + 1, column=mark.column + 1)
    what = f"is not YAML: {error.problem or error.context}".replace("did not find expected", "expected")
    if error.context and (start := error.context_mark) and start.line != mark.line:
        what += f", {error.context} from line {start.line + 1}"
    if at_end:
        what += "; at the end of the file"
    elif _CHAIN_KEY.search(text):
        what += f"; at {quoted(lines[mark.line].strip())}"
    return Mistake(what, mark.line + 1, column=mark.column + 1)
