"""What lies in firmware_templates/: files as they are, templates filled in, and the kernels that a core gets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import jinja2

from .kernel_table import HEADERS

SOURCE_SUFFIXES = {"c": ("S", "c"), "h": ("h",)}
"""Of the files in a core's folder that replace a kernel's source or header of the same stem, the first found."""


def read_template(path: str) -> str:
    """A file of firmware_templates/ as it is."""
    return _templates().joinpath(path).read_text(encoding="utf-8")


def list_templates(folder: str) -> list[str]:
    """Paths of all files under a folder of firmware_templates/, relative to it, sorted."""

    def walk(directory: Traversable, prefix: str) -> Iterator[str]:
        for entry in directory.iterdir():
            if entry.is_dir():
                yield from walk(entry, f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name

    return sorted(walk(_templates().joinpath(folder), ""))


def render(path: str, **context: object) -> str:
    """A jinja2 template of firmware_templates/, filled in."""
    return _environment().get_template(path).render(**context)


def kernel_files(kernels: Sequence[str], folders: Sequence[str] = ()) -> dict[str, str]:
    """The kernels' source files, the kernels that those call, and all headers included: text by name.

    folders: of firmware_templates/arch/, whose files replace those of firmware_templates/kernels/, the first folder that has one.
    """
    wanted, found = ["rescomp_kernels.h", *(f"{kernel}.c" for kernel in kernels)], {}
    seen = set()
    while wanted:
        name = wanted.pop()
        if name not in seen:
            seen.add(name)
            path = _find(name, folders)
            text = found[path.rpartition("/")[2]] = read_template(path)
            wanted += re.findall(r'^#include "(.+)"$', text, re.MULTILINE)
            if name not in HEADERS:  # these name kernels which nobody need call
                wanted += _called(text)
    return dict(sorted(found.items()))


def _find(name: str, folders: Sequence[str]) -> str:
    stem, _, suffix = name.rpartition(".")
    paths = [f"arch/{folder}/{stem}.{each}" for folder in folders for each in SOURCE_SUFFIXES[suffix]]
    return next((path for path in paths if _templates().joinpath(path).is_file()), f"kernels/{name}")


def _called(text: str) -> Iterator[str]:
    """The source files of the kernels that a file names outside comments."""
    code = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    for kernel in set(re.findall(r"\brescomp_(\w+)", code)):
        if f"{kernel}.c" in _kernels():
            yield f"{kernel}.c"


@cache
def _kernels() -> frozenset[str]:
    return frozenset(file.name for file in _templates().joinpath("kernels").iterdir())


def _templates() -> Traversable:
    return files("rescomp") / "firmware_templates"


@cache
def _environment() -> jinja2.Environment:
    loader = jinja2.FunctionLoader(read_template)
    return jinja2.Environment(
        loader=loader,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
