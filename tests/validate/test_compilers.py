"""A product's own compiler and flags: every value stays equal, on this machine, on machines of the other byte order, on cores."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rescomp.errors import InputError, MissingToolError
from rescomp.graph.evaluate import evaluate
from rescomp.targets.cores import CORES
from rescomp.targets.kernel_choice import Target
from rescomp.validate.build import Build, runner
from rescomp.validate.c_program import write_export
from rescomp.validate.compare import LayerReference, compare, compare_layers, expected_count
from rescomp.validate.emulation import PACKAGES, check_tools
from rescomp.validate.host_c import HostC
from rescomp.validate.registry import load_witness
from rescomp.validate.stress import stress_vectors
from rescomp.validate.witness import Job

FLAGS = ("-Os", "-O3", "-O2 -flto", "-O2 -funsigned-char")
HOST = (
    *(("gcc", flags, "gcc libc6-dev") for flags in FLAGS),
    *(("clang", flags.replace("-flto", "-flto -fuse-ld=lld"), "clang lld") for flags in FLAGS),
    ("powerpc-linux-gnu-gcc", "-O2 -static", "gcc-powerpc-linux-gnu libc6-dev-powerpc-cross qemu-user"),
    ("aarch64-linux-gnu-gcc", "-O3 -static", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"),
)
MODELS = {
    "ternary": lambda get, rng: get("random_fastgrnn")(rng, weights="ternary", low_rank=True, power_of_two=False),
    "int4": lambda get, rng: get("random_fastgrnn")(rng, weights="int4", table=False),
    "sparse": lambda get, rng: get("random_fastgrnn")(rng, weights="sparse_delta_int4"),
    "gru": lambda get, rng: get("random_gru")(rng),
    "block": lambda get, rng: get("random_block")(rng, weights="ternary"),
    "int8 block": lambda get, rng: get("random_int8_block")(rng),
}
CLANG = {
    "cortex-m": "--target=arm-none-eabi -isystem /usr/include/newlib",
    "riscv": "--target=riscv32 -isystem /usr/lib/picolibc/riscv64-unknown-elf/include",
}


def need(tool, packages):
    if shutil.which(tool) is None and os.environ.get("CI") != "true":
        pytest.skip(f"needs {tool}: apt-get install {packages}")


def count_mismatches(witness, job):
    (answer,) = witness.answers(job)
    result = compare(job, evaluate(job.model, job.x.astype(np.int64), job.lengths), answer.trajectory)
    assert result.compared == expected_count(job)
    return answer.variant, result.mismatches


def make_job(request, name, folder, random_sequences, target=None):
    rng = np.random.default_rng(0)
    model = MODELS[name](request.getfixturevalue, rng)
    if model.is_recurrent:
        x, lengths = random_sequences(rng, model)
    else:
        limit = model.input.type.format
        x, lengths = rng.integers(limit.low, limit.high + 1, (12, *model.input.type.shape)), np.zeros(12, np.int64)
    write_export(folder / (target.core.export_folder if target else "c"), model, target)
    return Job(model, folder, x.astype(model.input.type.format.numpy_dtype), lengths)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("compiler", "flags", "packages"), HOST)
def test_on_this_machine(compiler, flags, packages, name, request, tmp_path, random_sequences):
    need(compiler, packages)
    job = replace(make_job(request, name, tmp_path, random_sequences), build=Build.parse(compiler, flags))
    assert count_mismatches(HostC(), job) == (f"{compiler} {flags}", 0)
    forced = stress_vectors(job.model).layers
    (layers,) = HostC().run_layers(job, forced)
    assert layers.variant == f"{compiler} {flags}"
    assert compare_layers(LayerReference(forced), layers).mismatches == 0


@pytest.mark.parametrize("flags", [*FLAGS, "clang"])
@pytest.mark.parametrize("name", ["cortex-m0", "cortex-m4", "cortex-m55", "riscv32imc", "atmega328p"])
def test_on_a_core(name, flags, request, tmp_path, random_sequences):
    core = CORES[name]
    if flags == "clang" and core.family.name == "avr":
        pytest.skip("AVR is GCC's")
    need("clang" if flags == "clang" else core.family.compiler, f"clang {PACKAGES[core.family.compiler]}")
    check_tools(core)
    build = Build.parse("clang", f"-O2 {CLANG[core.family.name]}") if flags == "clang" else Build.parse(None, flags)
    job = replace(make_job(request, "int4", tmp_path, random_sequences, Target(core)), build=build, argument=name)
    variant, mismatches = count_mismatches(load_witness(core.family.witness), job)
    assert mismatches == 0
    assert variant.startswith(f"{name} {'clang' if flags == 'clang' else core.family.compiler} -O")


def test_a_compiler_or_flags_that_cannot_be(tmp_path, request, random_sequences):
    with pytest.raises(MissingToolError, match="--cc no-such-cc is no command here"):
        Build.parse("no-such-cc", None)
    with pytest.raises(InputError, match=r"--cflags .* cannot be split into words"):
        Build.parse(None, "-DX='1")
    for flags in ("-DRESCOMP_TAP", "-O2 -D RESCOMP_TAP=1", "-URESCOMP_CORE_H"):
        with pytest.raises(InputError, match=r"--cflags -[DU] ?RESCOMP_\w+: names that begin with RESCOMP_"):
            Build.parse(None, flags)
    assert Build.parse(None, "-DMY_RESCOMP_TAP -I-DRESCOMP").flags == ("-DMY_RESCOMP_TAP", "-I-DRESCOMP")
    for flags in ("''", "-O2 ''", '""'):
        with pytest.raises(InputError, match="holds an empty flag"):
            Build.parse(None, flags)
    assert not Build.parse(None, None)
    check_tools(CORES["cortex-m4"])
    need("clang", "clang")
    job = make_job(request, "gru", tmp_path, random_sequences)
    job = replace(job, build=Build.parse("clang", "-flto"), argument="cortex-m4")
    with pytest.raises(InputError, match="leave -flto out"):
        next(load_witness("qemu").answers(job))


@pytest.mark.parametrize(("compiler", "path"), [("./mycc", "/usr/bin"), ("sub/../mycc", "/usr/bin"), ("mycc", "sub/..:/usr/bin")])
def test_a_compiler_found_by_a_relative_path_is_found_wherever_it_is_run(compiler, path, tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "mycc").symlink_to(shutil.which("gcc"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", path)
    assert Build.parse("gcc", None).compiler == "gcc"
    build = Build.parse(compiler, None)
    monkeypatch.chdir("/")
    assert Path(build.compiler).samefile(tmp_path / "mycc")


def test_a_program_of_another_machine_needs_its_emulator(tmp_path, monkeypatch):
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF\x01\x02\x01" + bytes(11) + b"\x00\x14")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingToolError, match="needs qemu-ppc here: on Debian, apt-get install qemu-user"):
        runner(program)
    program.write_bytes(b"\x7fELF\x01\x02\x01" + bytes(11) + b"\xff\xff")
    with pytest.raises(InputError, match="ELF machine 65535"):
        runner(program)
    program.write_bytes(b"#!/bin/sh\n")
    assert runner(program) == []
