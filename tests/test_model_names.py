"""Names that no model may have: somebody else's file or function has them."""

import re
import subprocess
from pathlib import Path

import pytest

from rescomp.export.c_templates import list_templates
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


def test_no_model_hides_a_header_of_the_firmware():
    headers = [
        Path(path.removesuffix(".j2")) for folder in ("platforms", "parity", "kernels", "packages") for path in list_templates(folder)
    ]
    names = {path.stem for path in headers if path.suffix == ".h" and "{{" not in path.stem and path.stem != "model"}
    assert {"io", "uart", "frame", "crc", "test_vector"} <= names
    assert {name for name in names if is_model_name(name)} == set()


@pytest.mark.parametrize(
    "name", ["endian", "unistd", "sys", "typeof", "class", "sem", "arduino", "x86intrin", "main", "", "9", "Ab", "a" * 41]
)
def test_names_that_no_model_has(name):
    assert not is_model_name(name)
