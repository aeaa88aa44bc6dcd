"""Kernels as an export holds them, in which a piece may be replaced, beside a program that calls them."""

from pathlib import Path

from rescomp.export.c_templates import kernel_files
from rescomp.validate.emulation import build_sources

CHECKED_CALL = Path(__file__).parents[2] / "firmware_templates" / "platforms" / "semihosting" / "checked_call.S"


def write_kernels(folder, names, folders, change=("", "", "")):
    """The kernels of these names as an export for these folders of arch/ holds them; returns what is compiled.

    change: a file, and what is replaced in it by what.
    """
    name, old, new = change
    files = kernel_files(names, folders)
    for path, text in files.items():
        assert path != name or text.count(old) == 1, f"{path} has {text.count(old)} times {old!r}"
        (folder / path).write_text(text.replace(old, new) if path == name else text)
    assert not name or name in files
    return [folder / path for path in files if path.endswith((".c", ".S"))]


def firmware(core, main, names, folder, change=("", "", "")):
    """A program of `main` and the core's own kernels, with the registers checked that a call must keep."""
    return build_sources(core, [*write_kernels(folder, names, core.kernels, change), main, CHECKED_CALL], [f"-I{folder}"], folder)
