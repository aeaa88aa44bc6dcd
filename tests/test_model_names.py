"""Names that no model may have: somebody else's file or function has them."""

import re
import subprocess
from pathlib import Path

import pytest

from rescomp.export.c_templates import list_templates, read_template
from rescomp.model_names import is_model_name

COMPILERS = {
    "gcc": (),
    "arm-none-eabi-gcc": ("-mcpu=cortex-m4", "-mthumb"),
    "riscv64-unknown-elf-gcc": ("-march=rv32imc", "-mabi=ilp32", "--specs=picolibc.specs"),
    "avr-gcc": ("-mmcu=atmega2560",),
}
ROOTS = ("include", "include-fixed", "x86_64-linux-gnu")
"""Ends of the folders that are searched for what stands between angle brackets."""


@pytest.mark.parametrize("compiler", COMPILERS)
def test_no_model_hides_a_header_of_a_c_library(compiler):
    """Whatever a compiler reads for the headers that generated code and the programs around it include, and what lies beside them."""
    source = "".join(f"#include <{name}.h>\n" for name in ("stdint", "string", "stddef", "stdlib", "stdio"))
    command = [compiler, *COMPILERS[compiler], "-M", "-x", "c", "-"]
    try:
        said = subprocess.run(command, input=source, capture_output=True, text=True, check=True, timeout=60).stdout
    except FileNotFoundError:
        pytest.skip(f"needs {compiler}")
    read = [path for path in map(Path, re.findall(r"/\S+\.h", said)) if path.parent.name in ROOTS]
    assert read
    for path in read:
        assert not is_model_name(path.stem), path
    if compiler != "gcc":
        beside = [each for path in read for each in path.parent.glob("*.h")]
        assert {path.stem for path in beside if is_model_name(path.stem)} == set()


NAMING = [f"{name}.h" for name in ("pthread", "semaphore", "spawn", "stdatomic", "threads", "sys/fanotify", "sys/inotify", "netinet/in")]
"""Headers of things that are made by a function of their own name."""


@pytest.mark.parametrize("compiler", COMPILERS)
def test_no_model_names_a_function_of_a_c_library(compiler):
    """model.h names functions and types by the model's name and these endings."""
    endings = set(re.findall(r"\{\{ source\.name \}\}_([a-z_]+)", read_template("model.h.j2")))
    assert {"init", "step", "run"} <= endings
    headers = [name for name in NAMING if compiler == "gcc" or name != "threads.h"]  # newlib's and picolibc's include what they lack
    source = "#define _GNU_SOURCE\n" + "".join(f"#if __has_include(<{name}>)\n#include <{name}>\n#endif\n" for name in headers)
    command = [compiler, *COMPILERS[compiler], "-std=gnu11", "-E", "-dD", "-x", "c", "-"]
    try:
        said = subprocess.run(command, input=source, capture_output=True, text=True, check=True, timeout=60).stdout
    except FileNotFoundError:
        pytest.skip(f"needs {compiler}")
    named = set(re.findall(rf"\b([a-z][a-z0-9_]*)_(?:{'|'.join(endings)})\b *\(", said))
    assert compiler != "gcc" or {"pthread_mutexattr", "atomic", "mtx"} <= named
    assert {name for name in named if is_model_name(name)} == set()


def test_no_model_hides_a_header_of_the_firmware():
    headers = [
        Path(path.removesuffix(".j2")) for folder in ("platforms", "parity", "kernels", "packages") for path in list_templates(folder)
    ]
    names = {path.stem for path in headers if path.suffix == ".h" and "{{" not in path.stem and path.stem != "model"}
    assert {"io", "uart", "frame", "crc", "test_vector"} <= names
    assert {name for name in names if is_model_name(name)} == set()


@pytest.mark.parametrize(
    "name",
    ["endian", "gpio", "con", "com1", "unistd", "sys", "typeof", "class", "sem", "arduino", "x86intrin", "main", "", "9", "Ab", "a" * 41],
)
def test_names_that_no_model_has(name):
    assert not is_model_name(name)
