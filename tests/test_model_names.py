"""Names that no model may have: somebody else's file or function has them."""

import re
import subprocess
from pathlib import Path

import pytest

from rescomp.export.c_templates import list_templates, read_template
from rescomp.model_names import RESERVED_NAMES, is_model_name

COMPILERS = {
    "gcc": (),
    "clang": (),
    "arm-none-eabi-gcc": ("-mcpu=cortex-m4", "-mthumb"),
    "riscv64-unknown-elf-gcc": ("-march=rv32imc", "-mabi=ilp32", "--specs=picolibc.specs"),
    "avr-gcc": ("-mmcu=atmega2560",),
    "aarch64-linux-gnu-gcc": (),
    "powerpc-linux-gnu-gcc": (),
}
SHARED = ("/usr/include", "/usr/local/include", "/usr/include/x86_64-linux-gnu")
"""Folders in which headers of every package lie beside those of the C library."""


def ask(compiler, *arguments, source=""):
    """What a compiler says, on either stream; faults in headers do not matter."""
    command = [compiler, *COMPILERS[compiler], *arguments, "-x", "c", "-"]
    try:
        done = subprocess.run(command, input=source, capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError:
        pytest.skip(f"needs {compiler}")
    return done.stdout, done.stderr


def folders(compiler):
    """Where a compiler looks for what stands between angle brackets."""
    said = ask(compiler, "-E", "-v")[1]
    listed = re.search(r"<\.\.\.> search starts here:\n(.*?)End of search", said, re.DOTALL)
    return [Path(line.strip()).resolve() for line in listed[1].splitlines()]


@pytest.mark.parametrize("compiler", COMPILERS)
def test_no_model_hides_a_header_of_a_compiler_or_a_c_library(compiler):
    """All that lies in folders of its own, and whatever it reads for the headers that generated code and the programs around it include."""
    source = "".join(f"#include <{name}.h>\n" for name in ("stdint", "string", "stddef", "stdlib", "stdio"))
    roots = folders(compiler)
    read = [path for path in map(Path, re.findall(r"/\S+\.h", ask(compiler, "-M", source=source)[0])) if path.parent.resolve() in roots]
    assert len(read) > 3
    own = [path for root in roots if str(root) not in SHARED for path in root.glob("*.h")]
    assert "stdarg" in {path.stem for path in own}
    assert {path.stem for path in [*read, *own] if is_model_name(path.stem.lower())} == set()


@pytest.mark.parametrize("compiler", ["gcc", "arm-none-eabi-gcc", "riscv64-unknown-elf-gcc", "avr-gcc"])
def test_no_model_names_a_function_or_a_macro_of_a_c_library(compiler):
    """model.h names functions and macros by the model's name and these endings."""
    template = read_template("model.h.j2")
    functions = "|".join(re.findall(r"\{\{ source\.name \}\}_([a-z_]+)", template))
    macros = "|".join(re.findall(r"\{\{ source\.macro \}\}_([A-Z_0-9]+)", template))
    assert {"init", "step", "run"} <= set(functions.split("|"))
    assert {"H", "STATE_BYTES"} <= set(macros.split("|"))
    below = [
        path for root in folders(compiler) for folder in ("arpa", "net", "netinet", "rpc", "sys") for path in root.glob(f"{folder}/*.h")
    ]
    headers = [
        *(f"{name}.h" for name in sorted(RESERVED_NAMES)),
        *sorted({f"{path.parent.name}/{path.name}" for path in below}),
        "avr/io.h",
    ]
    source = "#define _GNU_SOURCE\n" + "".join(f"#if __has_include(<{name}>)\n#include <{name}>\n#endif\n" for name in headers)
    said = ask(compiler, "-std=gnu11", "-E", "-dD", source=source)[0]
    named = set(re.findall(rf"\b([a-z][a-z0-9_]*)_(?:{functions})\b *\(", said))
    named |= set(re.findall(rf"#define ([a-z][a-z0-9_]*)_(?:{functions})\b", said))
    named |= {name.lower() for name in re.findall(rf"#define ([A-Z][A-Z0-9_]*)_(?:{macros})\b", said)}
    assert compiler != "gcc" or {"pthread_mutexattr", "atomic", "mtx", "res"} <= named
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
    [
        "endian",
        "gpio",
        "con",
        "com1",
        "unistd",
        "sys",
        "typeof",
        "class",
        "sem",
        "arduino",
        "x86intrin",
        "main",
        "res",
        "svc",
        "esp_now",
        "stdio_usb",
        "k_sem",
        "",
        "9",
        "Ab",
        "a" * 41,
    ],
)
def test_names_that_no_model_has(name):
    assert not is_model_name(name)
