"""What firmware_templates/kernels has of the table of kernels, as text: the headers that declare them, and sources that only include."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from .c_templates import render
from .kernel_rows import Kernel
from .kernel_table import HEADERS, Section, kernels_of

WIDTH = 132
"""Columns of a declaration."""


def kernel_sources() -> dict[str, str]:
    """By file name. The headers' templates have the rest of them: types, and what makes their values."""
    found = {}
    for header, sections in HEADERS.items():
        found[header] = render(f"kernels/{header}.j2", **{name: declarations(section) for name, section in sections.items()})
        found.update({f"{kernel.name}.c": kernel.source for kernel in kernels_of(header) if kernel.source})
    return found


def declarations(section: Section) -> str:
    """Comments, each after an empty line, and beneath them the kernels that they are about."""
    return "\n".join(_lines(section)).lstrip()


def _lines(section: Section) -> Iterator[str]:
    for entry in section:
        if isinstance(entry, str):
            yield ""
            yield "\n * ".join(["/*", *entry.split("\n")]) + "\n */" if "\n" in entry else f"/* {entry} */"
        else:
            yield from map(_declaration, entry.kernels())


def _declaration(kernel: Kernel) -> str:
    """Broken between parameters, which begin below one another."""
    opening = f"void rescomp_{kernel.name}("
    parameters = [parameter.replace(" ", "\0") for parameter in kernel.parameters.split(", ")]
    glued = opening.replace(" ", "\0") + ", ".join(parameters) + ");"
    return textwrap.fill(glued, WIDTH, subsequent_indent=" " * len(opening), break_long_words=False).replace("\0", " ")
