"""report: a page on one model, or on several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from .. import __version__
from ..errors import InputError
from ..model_directory import refuse_in_a_model
from ..stages.listener import Listener, Silent
from ..store import refuse_target, write_atomically
from ..text_files import escaped, markdown
from .facts import facts_of
from .sections import Grid, PageSection, comparison, sections_of

FORMS = (".html", ".md")


@dataclass(frozen=True)
class Written:
    """What `rescomp report` wrote. models: the directories; bytes: of the file."""

    output: Path
    models: tuple[str, ...]
    bytes: int

    def as_json(self) -> dict[str, Any]:
        """The document of `rescomp report --json`."""
        return {"schema": 1, "output": str(self.output), "models": list(self.models), "bytes": self.bytes}


@dataclass(frozen=True)
class _Part:
    """What the page tells under one heading."""

    title: str
    sections: Sequence[PageSection]


def write_report(
    paths: Sequence[Path], output: Path, *, cores: Sequence[str] = (), force: bool = False, listener: Listener | None = None
) -> Written:
    """Write what is known of the model directories `paths` to one file, HTML or Markdown by its suffix; several are compared first.

    HTML holds all that it needs and no script. cores: what a step costs there is counted now. Raises InputError for another suffix, for a
    file that is there (unless `force`), and for directories that are damaged.
    """
    listener = listener or Silent()
    refuse_target(output)
    refuse_in_a_model(output)
    if output.suffix.lower() not in FORMS:
        raise InputError(f"{output} is neither .html nor .md: name a file of one of them with -o")
    if output.exists() and not force:
        raise InputError(f"{output} is there already: name another file with -o, or replace it with --force")
    every = [facts_of(path, cores, listener) for path in paths]
    parts = [_Part(each.name if len(every) == 1 else f"{each.name} ({each.path})", sections_of(each)) for each in every]
    if len(every) > 1:
        parts.insert(0, _Part("Comparison", [comparison(every)]))
    title = f"rescomp: {', '.join(dict.fromkeys(each.name for each in every))}"
    text = _html(title, parts) if output.suffix.lower() == ".html" else _markdown(title, parts)
    data = text.encode()
    write_atomically(output, data)
    return Written(output, tuple(map(str, paths)), len(data))


def _html(title: str, parts: Sequence[_Part]) -> str:
    environment = Environment(
        loader=PackageLoader(__package__, "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["shown"] = escaped
    return environment.get_template("report.html.j2").render(title=title, parts=parts, version=__version__)


def _markdown(title: str, parts: Sequence[_Part]) -> str:
    found = [f"# {markdown(title)}"]
    for part in parts:
        found.append(f"## {markdown(part.title)}")
        for section in part.sections:
            if section.sentences or section.grids:
                found += [f"### {markdown(section.title)}", *(markdown(each) for each in section.sentences)]
                found += [_markdown_table(grid) for grid in section.grids]
    return "\n\n".join([*found, f"Made by rescomp {__version__}.\n"])


def _markdown_table(grid: Grid) -> str:
    rows = [grid.header, ["---", *["---:"] * (len(grid.header) - 1)], *grid.rows]
    cells = [[cell if number == 1 else markdown(cell) for cell in row] for number, row in enumerate(rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
