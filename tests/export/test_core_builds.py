"""C generated for named cores: what it promises to whoever compiles it. That it computes the right thing is tests/validate's business."""

import itertools
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rescomp.export.c import export_c
from rescomp.export.c_templates import list_templates, read_template
from rescomp.frontend.description import FrontEnd
from rescomp.frontend.lowering import frontend_graph
from rescomp.targets.cores import CORES
from rescomp.targets.kernel_choice import PREFERENCES, Target
from rescomp.validate.c_program import WARNINGS, probe_model
from rescomp.validate.emulation import PACKAGES

FLOAT = {
    "cortex-m": r"\t(v(add|sub|mul|div|fma|mla|cvt|sqrt|neg|abs)\w*\.f\d+|vcvt\w*)",
    "riscv": r"\tf(add|sub|mul|div|cvt|sqrt|madd|lw|sw)\.?\w*\.[sd]",
    "avr": r"__(add|sub|mul|div|fix|float)\w*sf\w*",
}
"""Instructions, or calls of the compiler's library, that compute in floating point."""
LIBRARY = {"memcpy", "memset", "memmove"}
HELPERS = re.compile(
    r"__(gnu_thumb1_case_\w+|aeabi_(u?idiv(mod)?|memcpy\d?|memset\d?|memclr\d?|memmove\d?)"
    r"|mul[hsdq]i3|(us|u)?mulhisi3|muluhisi3|mulshisi3|mulohisi3|mulhisi3|u?divmod[hs]i4|mul[hs]i3|prologue_saves__|epilogue_restores__|tablejump2__)"
)
"""Helpers of the compilers' libraries that compute in 32 bits at most: none of them is a 64-bit multiplication or division."""


MODELS = (
    {"weights": "ternary", "hidden": 20, "low_rank": True, "power_of_two": False},
    {"weights": "int8", "hidden": 20, "table": False},
    {"weights": "int4"},
    {"weights": "sparse_delta_int4"},
    {"weights": "ternary_rows"},
)
BLOCKS = ("ternary", "int8", "sparse_bitmap_int8", "sparse_delta_int4", "sparse_kernels_int4", "sparse_rows_int8")


def output(*command, **options):
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **options)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module", params=CORES)
def core(request):
    core = CORES[request.param]
    if shutil.which(core.family.compiler) is None and os.environ.get("CI") != "true":
        pytest.skip(f"needs {core.family.compiler}: apt-get install {PACKAGES[core.family.compiler]}")
    return core


@pytest.fixture(scope="module")
def sources(core, random_fastgrnn, random_block, tmp_path_factory):
    """The folder of the C of several models for the core, by speed and by size, beside one rescomp/ with the kernels of all."""
    folder = tmp_path_factory.mktemp(core.name)
    rng = np.random.default_rng(0)
    models = [*(random_fastgrnn(rng, **form) for form in MODELS), *(random_block(rng, weights=weights) for weights in BLOCKS)]
    models.append(probe_model(frontend_graph(FrontEnd())))
    for i, (model, prefer) in enumerate(itertools.product(models, PREFERENCES)):
        for name, data in export_c(replace(model, name=f"{model.name}{i}"), Target(core, prefer)).items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            assert name in ("README.md", "LICENSE") or not path.exists() or path.read_bytes() == data
            path.write_bytes(data)
    return folder


MODELS_C, KERNELS_C, ASSEMBLY = "*.c", "rescomp/*.c", "rescomp/*.S"


def listed(folder, *patterns):
    return [str(path) for pattern in patterns for path in folder.glob(pattern)]


def compiled(core, sources, folder, *flags):
    """The object files of all sources, in a build folder."""
    output(core.family.compiler, *core.flags, *WARNINGS, *flags, "-c", *listed(sources, MODELS_C, KERNELS_C, ASSEMBLY), cwd=folder)
    return [str(path) for path in sorted(folder.glob("*.o"))]


def test_no_warning_no_library_no_float(core, sources, tmp_path):
    """-Os and -O3; no symbol is undefined but memcpy and the like, no global can be written, no instruction is of floating point."""
    float_code = re.compile(FLOAT[core.family.name])
    for flags in (("-std=gnu99", "-Os"), ("-std=gnu11", "-O3")):
        objects = compiled(core, sources, tmp_path, *flags)
        symbols = [line.split() for line in output(f"{core.family.prefix}nm", *objects).splitlines()]
        undefined = {fields[1] for fields in symbols if len(fields) == 2 and fields[0] == "U"}
        foreign = {name for name in undefined if not name.startswith("rescomp_")} - LIBRARY - {"__stop_rescomp_constants_past_64_KB"}
        assert {name for name in foreign if not HELPERS.fullmatch(name)} == set()
        assert not {fields[-1] for fields in symbols if len(fields) == 3 and fields[1] in "dDbBC"}
        assert not float_code.search(output(f"{core.family.prefix}objdump", "-dr", *objects))


def test_nothing_calls_itself(core, sources, tmp_path):
    """No function reaches itself: the deepest stack is bounded. From the relocations of calls, an object file and section a function."""
    calls, caller = {}, set()
    for name in compiled(core, sources, tmp_path, "-std=gnu99", "-O1", "-ffunction-sections", "-fno-inline"):
        symbols = (line.split() for line in output(f"{core.family.prefix}objdump", "-t", name).splitlines())
        functions = {fields[-1] for fields in symbols if "F" in fields[2:-1] or fields[1:2] == ["F"]}  # not labels of assembly
        for line in output(f"{core.family.prefix}objdump", "-dr", name).splitlines():
            if function := re.fullmatch(r"[0-9a-f]+ <(\w+)>:", line):
                caller = calls.setdefault(function[1], set()) if function[1] in functions else caller
            elif target := re.search(r"\bR_\w*(?:CALL|JUMP|JAL|PLT)\w*\s+(?:\.text\.)?(\w+)", line):
                caller.add(target[1])
    assert any(calls.values())
    for function in calls:
        reached, wanted = set(), [function]
        while wanted:
            for called in calls.get(wanted.pop(), set()) - reached:
                reached.add(called)
                wanted.append(called)
        assert function not in reached


CLANG = {
    "cortex-m": ("--target=arm-none-eabi", "-isystem", "/usr/include/newlib"),
    "riscv": ("--target=riscv32", "-isystem", "/usr/include/newlib"),
}
"""How clang is told to compile for a family; its own AVR back end has no __flash that GCC's kernels could share."""


def need(tool):
    if shutil.which(tool) is None and os.environ.get("CI") != "true":
        pytest.skip(f"needs {tool}: apt-get install {tool}")


def test_clang_compiles_and_assembles_it(core, sources, tmp_path):
    """A standard changes what is read, not what is made of it: machine code is made of one of two."""
    if core.family.name not in CLANG:
        pytest.skip("AVR is GCC's")
    need("clang")
    flags = ["clang", *CLANG[core.family.name], *(flag for flag in core.flags if not flag.startswith("--specs")), *WARNINGS]
    output(*flags, "-std=c17", "-fsyntax-only", *listed(sources, MODELS_C, KERNELS_C), cwd=tmp_path)
    output(*flags, "-std=c99", "-Os", "-c", *listed(sources, MODELS_C, KERNELS_C, ASSEMBLY), cwd=tmp_path)


ARM = "--target=arm-none-eabi", "-isystem", "/usr/include/newlib"
WRONG_FLAGS = [
    ("cortex-m0", "arm-none-eabi-gcc", ("-mcpu=cortex-a9", "-marm"), "Thumb code: compile with -mcpu=cortex-m0 -mthumb"),
    ("cortex-m3", "arm-none-eabi-gcc", ("-mcpu=cortex-m0", "-mthumb"), "Thumb-2: compile with -mcpu=cortex-m3 -mthumb"),
    ("cortex-m4", "arm-none-eabi-gcc", ("-mcpu=cortex-m3", "-mthumb"), "DSP extension: compile with -mcpu=cortex-m4"),
    ("cortex-m33", "arm-none-eabi-gcc", ("-mcpu=cortex-m33+nodsp", "-mthumb"), "DSP extension: compile with -mcpu=cortex-m4, -m7 or -m33"),
    ("cortex-m4", "arm-none-eabi-gcc", ("-mcpu=cortex-m4", "-mthumb", "-mbig-endian"), "little-endian"),
    ("cortex-m55", "arm-none-eabi-gcc", ("-mcpu=cortex-m55", "-mthumb", "-mfloat-abi=soft"), "-mfloat-abi=hard"),
    ("cortex-m55", "clang", (*ARM, "-mcpu=cortex-m55", "-mthumb"), "-mfloat-abi=hard"),
    ("riscv32imc", "riscv64-unknown-elf-gcc", ("-march=rv64imc", "-mabi=lp64", "--specs=picolibc.specs"), "-march=rv32imc -mabi=ilp32"),
    ("riscv32imc", "riscv64-unknown-elf-gcc", ("-march=rv32ic", "-mabi=ilp32", "--specs=picolibc.specs"), "an -march that has m"),
    ("riscv32imc", "riscv64-unknown-elf-gcc", ("-march=rv32em", "-mabi=ilp32e", "--specs=picolibc.specs"), "RV32E has 16"),
    ("atmega328p", "avr-gcc", ("-mmcu=attiny85",), "MUL and MOVW"),
]


@pytest.mark.parametrize(("core", "compiler", "flags", "said"), WRONG_FLAGS)
def test_a_flag_that_is_missing_is_named_by_every_kernel_in_assembly(core, compiler, flags, said, random_fastgrnn, tmp_path):
    need(compiler)
    for name, data in export_c(random_fastgrnn(np.random.default_rng(0), weights="int8"), Target(CORES[core])).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    kernels = sorted(tmp_path.glob("rescomp/*.S"))
    assert kernels
    for kernel in kernels:
        command = [compiler, *flags, "-c", kernel.name, "-o", "/dev/null"]
        result = subprocess.run(command, cwd=kernel.parent, capture_output=True, text=True, check=False, timeout=60)
        assert result.returncode != 0
        assert said in result.stderr, result.stderr


@pytest.fixture
def plain(random_fastgrnn, random_gru, random_block, random_int8_block, tmp_path):
    """The folder of the C that runs anywhere, of several models."""
    rng = np.random.default_rng(0)
    models = [
        *(random_fastgrnn(rng, **form) for form in MODELS),
        random_gru(rng),
        random_block(rng, weights="ternary"),
        random_int8_block(rng),
    ]
    for i, model in enumerate(models):
        for name, data in export_c(replace(model, name=f"{model.name}{i}")).items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(data)
    return tmp_path


def test_clang_on_the_host(plain):
    need("clang")
    names = [str(path.relative_to(plain)) for pattern in ("*.c", "rescomp/*.c") for path in plain.glob(pattern)]
    for standard, optimization in (("c99", "-Os"), ("c11", "-O2"), ("c17", "-O3")):
        output("clang", *WARNINGS, f"-std={standard}", optimization, "-c", *names, cwd=plain)


def test_cppcheck_finds_nothing(plain):
    need("cppcheck")
    output("cppcheck", "-q", "--std=c99", "--enable=warning,performance,portability", "--error-exitcode=3", ".", cwd=plain)


def test_a_tap_compiles(core, sources, tmp_path):
    """Models alone have one: kernels are compiled without it above."""
    assert not [name for name in listed(sources, "rescomp/*") if "RESCOMP_TAP" in Path(name).read_text()]
    tapped = listed(sources, MODELS_C)
    assert all("RESCOMP_TAP" in Path(name).read_text() for name in tapped)
    output(core.family.compiler, *core.flags, *WARNINGS, "-std=gnu99", "-O2", "-DRESCOMP_TAP", "-c", *tapped, cwd=tmp_path)


def test_assembly_begins_and_ends_its_functions_by_the_macros_of_its_architecture():
    files = [path for path in list_templates("arch") if "/rescomp_call_saved_" not in path]
    heads = re.compile(r"^[ \t]*\.(section|text|globa?l|type|size|thumb_func|syntax)\b.*", re.MULTILINE)
    assert {path: found for path in files if (found := heads.findall(read_template(f"arch/{path}")))} == {}
