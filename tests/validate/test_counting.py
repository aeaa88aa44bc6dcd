"""The counters, on programs whose every instruction is known."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from rescomp.errors import DeviceError, MissingToolError
from rescomp.targets.cores import AVR, CORES, CORTEX_M, RISCV
from rescomp.validate import counting
from rescomp.validate.counting import Tally, check_counter, count_call, count_spans
from rescomp.validate.emulation import build_sources, run_firmware

LOOP = {
    # One pass: 6 instructions, 1 + 3 words read, 1 written.
    CORTEX_M.name: """
        .syntax unified
        .thumb
        .globl loop
        .type loop, %function
    loop:
        push {r4, lr}
    1:  ldr r2, [r0]
        ldm r0!, {r2, r3, r4}
        subs r0, #12
        strh r2, [r0]
        subs r1, #1
        bne 1b
        pop {r4, pc}
    """,
    # The loop begins at the function's first instruction. One pass: 5 instructions.
    RISCV.name: """
        .globl loop
        .type loop, @function
    loop:
        lw a2, 0(a0)
        lbu a3, 1(a0)
        sh a2, 0(a0)
        addi a1, a1, -1
        bnez a1, loop
        ret
    """,
    # One pass: 2 + 2 + 2 + 3 + 1 + 1 + 2 cycles (the last brne 1); before it 2 + 2 + 1, behind it 2 + 2 and ret.
    AVR.name: """
        .globl loop
        .type loop, @function
    loop:
        push r28
        push r29
        movw r28, r24
    1:  ld r18, Y
        ldd r19, Y+1
        std Y+2, r18
        lpm r20, Z
        subi r22, 1
        sbci r23, 0
        brne 1b
        pop r29
        pop r28
        ret
    """,
}
RETURN_CYCLES = {"atmega328p": 4, "atmega2560": 5}


def known(core, n):
    """Of loop(memory, n), by Arm's, RISC-V's and Microchip's manuals."""
    if core.family is CORTEX_M:
        return Tally(6 * n + 2, 4 * n + 2, n + 2, n)
    if core.family is RISCV:
        return Tally(5 * n + 1, 2 * n, n, n)
    return Tally(13 * n - 1 + 9 + RETURN_CYCLES[core.name], 3 * n + 2, n + 2, n)


VECTOR_LOOP = """
        .syntax unified
        .thumb
        .globl loop
        .type loop, %function
    loop:
        push {r4, lr}
        dls lr, r1
    1:  vldrb.u8 q0, [r0]
        vldrb.s16 q1, [r0]
        ldrd r2, r3, [r0]
        vstrw.32 q0, [r0]
        le lr, 1b
        pop {r4, pc}
"""
"""One pass: 5 instructions, 16 + 8 + 8 bytes read, 16 written."""

# Each goes down in every way its instructions know, and calls a leaf that goes down once more.
DEEP = {
    CORTEX_M.name: (
        """
        .syntax unified
        .thumb
        .globl loop
        .type loop, %function
    loop:
        push {r4, r5, r6, r7, lr}
        sub sp, #508
        ldr r4, =-2000
        add sp, r4
        mov r5, sp
        subs r5, #100
        mov sp, r5
        adds r5, #100
        mov sp, r5
        bl leaf
        ldr r4, =2000
        add sp, r4
        add sp, #508
        pop {r4, r5, r6, r7, pc}
        .type leaf, %function
    leaf:
        push {r0, r1, r2, r3}
        pop {r0, r1, r2, r3}
        bx lr
        .ltorg
        """,
        20 + 508 + 2000 + 100,
    ),
    RISCV.name: (
        """
        .globl loop
        .type loop, @function
    loop:
        addi sp, sp, -16
        sw ra, 12(sp)
        li t0, -3000
        add sp, sp, t0
        mv t1, sp
        addi t2, sp, -600
        mv sp, t2
        mv sp, t1
        call leaf
        sub sp, sp, t0
        lw ra, 12(sp)
        addi sp, sp, 16
        ret
    leaf:
        addi sp, sp, -512
        addi sp, sp, 512
        ret
        """,
        16 + 3000 + 600,
    ),
    AVR.name: (
        """
        .globl loop
        .type loop, @function
    loop:
        push r28
        push r29
        in r28, 0x3d
        in r29, 0x3e
        sbiw r28, 40
        out 0x3e, r29
        out 0x3d, r28
        rcall leaf
        adiw r28, 40
        out 0x3e, r29
        out 0x3d, r28
        pop r29
        pop r28
        ret
    leaf:
        push r28
        pop r28
        ret
        """,
        2 + 40 + 1,
    ),
}
RETURN_ADDRESS_BYTES = {"atmega328p": 2, "atmega2560": 3}

MAIN = """
    #include "io.h"

    static uint32_t memory[4];
    void loop(uint32_t *at, uint16_t n);

    int main(void)
    {
        static const uint16_t passes[] = {1, 2, 1000};

        io_open();
        for (unsigned i = 0; i < 3; ++i) {
            loop(memory, passes[i]);
        }
        io_close();
        return 0;
    }
"""


@pytest.fixture(params=CORES.values(), ids=CORES)
def core(request):
    """Every core in turn; skips where its tools are not installed. In CI that is a failure."""
    try:
        check_counter(request.param)
    except MissingToolError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(error))
    return request.param


def write(folder: Path, **texts: str) -> list[Path]:
    """Sources by name; assembly where the name says so."""
    for name, text in texts.items():
        (folder / name.replace("_S", ".S").replace("_c", ".c")).write_text(text, encoding="utf-8")
    return sorted(folder.glob("*.[cS]"))


def test_a_loop_of_known_length_is_counted_exactly(core, tmp_path):
    sources = write(tmp_path, main_c=MAIN, loop_S=LOOP[core.family.name])
    assert [span.tally for span in count_call(core, sources, "loop")] == [known(core, n) for n in (1, 2, 1000)]


@pytest.mark.parametrize("core", [CORES["cortex-m55"]], indirect=True, ids=lambda core: core.name)
def test_vectors_and_pairs_count_by_their_words(core, tmp_path):
    sources = write(tmp_path, main_c=MAIN, loop_S=VECTOR_LOOP)
    expected = [Tally(5 * n + 3, (4 + 2 + 2) * n + 2, 4 * n + 2, n) for n in (1, 2, 1000)]
    assert [span.tally for span in count_call(core, sources, "loop")] == expected


def test_the_stack_is_measured_to_the_byte(core, tmp_path):
    text, below = DEEP[core.family.name]
    sources = write(tmp_path, main_c=MAIN, deep_S=text)
    returns = 2 * RETURN_ADDRESS_BYTES[core.name] if core.family is AVR else 0
    assert [span.stack for span in count_call(core, sources, "loop")] == [below + returns] * 3


@pytest.mark.parametrize("core", [CORES["riscv32imc"]], indirect=True, ids=lambda core: core.name)
def test_counts_agree_with_the_instruction_counter_of_the_core_itself(core, tmp_path):
    """minstret counts retired instructions where QEMU runs one a nanosecond."""
    measure = """
        .option arch, +zicsr
        .globl measure
        .type measure, @function
    measure:
        mv t1, ra
        csrr t0, minstret
        jal loop
        csrr a0, minstret
        sub a0, a0, t0
        jr t1
    """
    main = """
        #include "io.h"

        static uint32_t memory[4];
        uint32_t measure(uint32_t *at, uint16_t n);

        int main(void)
        {
            uint32_t found;

            io_open();
            found = measure(memory, 1000);
            io_write(&found, sizeof found);
            io_close();
            return 0;
        }
    """
    sources = write(tmp_path, main_c=main, loop_S=LOOP[core.family.name], measure_S=measure)
    (tmp_path / "build").mkdir()
    program = build_sources(core, sources, (), tmp_path / "build")
    output = run_firmware(core, program, b"", ("-icount", "shift=0"))
    (span,) = count_spans(core, program, b"", ["loop"])
    assert span.tally.count == int.from_bytes(output, "little") - 2  # jal and one csrr


PIECES = """
    #include "io.h"

    static volatile uint16_t memory[4];

    __attribute__((noinline)) void first(uint16_t n)
    {
        do {
            memory[0] = n;
        } while (--n);
    }

    __attribute__((noinline)) void second(uint16_t n)
    {
        memory[1] = n;
        first(7);
        memory[1] = 0;
    }

    __attribute__((noinline)) void outer(uint16_t n)
    {
        memory[2] = n;
        first(3);
        memory[2] = 1;
        second(n);
        LAST
    }

    int main(void)
    {
        io_open();
        outer(5);
        first(9);
        outer(6);
        io_close();
        return 0;
    }
"""


@pytest.mark.parametrize("last", ["first(3);", "first(3); memory[2] = 2;"], ids=["jump", "call"])
def test_a_span_is_cut_at_the_returns_of_its_calls(core, tmp_path, last):
    """Where the last call is a jump, nothing of the span is left behind it: but for the pop by which GCC returns on Cortex-M0."""
    sources = write(tmp_path, main_c=PIECES.replace("LAST", last))
    (tmp_path / "build").mkdir()
    program = build_sources(core, sources, (), tmp_path / "build")
    spans = count_spans(core, program, b"", ["outer"], ["first", "second"])
    assert [[piece.function for piece in span.pieces] for span in spans] == [["first", "second", "first"]] * 2
    firsts = [span.tally.count for span in count_spans(core, program, b"", ["first"])]
    assert firsts[0] == firsts[2] < firsts[1] < firsts[3]  # 3, 7, 3 and, called by main, 9 passes
    for span in spans:
        before, second, after = (piece.tally for piece in span.pieces)
        assert min(before.count, after.count) > firsts[0]  # with the call itself
        assert second.count > firsts[1]
        left = span.tally.count - before.count - second.count - after.count
        if last == "first(3);":
            assert left == (core.name == "cortex-m0")
        else:
            assert left > 1
    assert spans[0].tally == spans[1].tally


def test_functions_that_are_not_there_are_a_device_error(core, tmp_path):
    sources = write(tmp_path, main_c=MAIN, loop_S=LOOP[core.family.name])
    with pytest.raises(DeviceError, match="no function lop"):
        count_call(core, sources, "lop")


shutil_which = shutil.which


@pytest.mark.parametrize(("name", "tool", "package"), [("cortex-m0", "gcc", "gcc"), ("cortex-m3", "qemu-system-arm", "qemu-system-arm")])
def test_a_missing_tool_names_its_package(monkeypatch, name, tool, package):
    monkeypatch.setattr(shutil, "which", lambda name: None if name == tool else shutil_which(name))
    with pytest.raises(MissingToolError, match=f"apt-get install {package}"):
        check_counter(CORES[name])


def test_a_missing_library_names_its_package(tmp_path):
    compiler = tmp_path / "gcc"
    compiler.write_text("#!/bin/sh\necho 'fatal error: sim_avr.h: No such file or directory' >&2\nexit 1\n")
    compiler.chmod(0o755)
    with pytest.raises(MissingToolError, match="apt-get install libsimavr-dev libelf-dev"):
        counting._simavr_counter(str(compiler))


@pytest.mark.parametrize("name", ["qemu_plugin", "simavr_counter"])
def test_the_counters_compile_without_a_warning(tmp_path, name):
    if shutil.which("gcc") is None or (name == "simavr_counter" and not Path("/usr/include/simavr").is_dir()):
        pytest.skip("needs gcc and libsimavr: apt-get install gcc libc6-dev libsimavr-dev libelf-dev")
    source = Path(counting.__file__).parent / "counters" / f"{name}.c"
    warnings = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror", "-isystem", "/usr/include/simavr"]
    command = ["gcc", "-std=gnu11", "-O2", *warnings, "-c", str(source), "-o", str(tmp_path / "counter.o")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (result.returncode, result.stderr) == (0, "")
