"""An AVR reads constants by 16-bit addresses: a build with more of them than those reach ends with an error of the linker's."""

import subprocess

import numpy as np
import pytest

from rescomp.graph import ops
from rescomp.graph.fixed_point import Requantization
from rescomp.graph.formats import Format, TensorType
from rescomp.graph.ir import Graph, IntegerModel, Node, Value
from rescomp.graph.weights import Int8Weight
from rescomp.validate.c_program import write_export

FLAGS = {"arduino": ("-Os", "-flto", "-ffunction-sections", "-fdata-sections"), "plain": ("-O2",)}


def model(name, matrices):
    """Of so many matrices of 15,000 bytes."""
    rng, rows = np.random.default_rng(0), 100
    by = Requantization(np.full(rows, 1 << 14, np.int32), np.full(rows, 28, np.int32))
    nodes = []
    for i in range(matrices):
        weight = Int8Weight(rng.integers(-2, 3, (rows, 150 if i == 0 else rows), dtype=np.int8))
        op = ops.FullyConnected(weight, np.zeros(0, np.int32), by, Format(8, bound=10000))
        nodes.append(Node(f"l{i}", op, (f"v{i}",), (f"v{i + 1}",)))
    values = (Value("v0", TensorType((150,), Format(8, bound=10000))),)
    return IntegerModel(name, {"whole": Graph("whole", values, tuple(nodes), (f"v{matrices}",))})


def link(folder, names, flags, mcu):
    """What the toolchain says to a program of these models, with its own linker script."""
    calls = "".join(f"    {name}_run(&{name}, in, out);\n" for name in names)
    states = "".join(f'#include "{name}.h"\nstatic {name}_state {name};\n' for name in names)
    (folder / "main.c").write_text(
        f"{states}volatile int16_t seen;\nstatic int16_t in[150], out[100];\nint main(void)\n{{\n{calls}    seen = out[0];\n    return 0;\n}}\n"
    )
    sources = ["main.c", *(f"{name}.c" for name in names), *(str(path) for path in (folder / "rescomp").glob("*.c"))]
    command = ["avr-gcc", "-std=gnu11", f"-mmcu={mcu}", *flags, "-Wl,--gc-sections", *sources, "-o", "a.elf"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.parametrize("mcu", ["atmega2560", "atmega1284p"])
@pytest.mark.parametrize("build", FLAGS)
def test_more_constants_than_an_avr_addresses_do_not_link(emulated, tmp_path, build, mcu):
    emulated("atmega2560")
    for name, matrices in (("large", 7), ("first", 3), ("second", 3), ("third", 2)):
        write_export(tmp_path, model(name, matrices))
    assert link(tmp_path, ["first", "third"], FLAGS[build], mcu).returncode == 0
    for names in (["large"], ["first", "second"]):
        said = link(tmp_path, names, FLAGS[build], mcu)
        assert said.returncode != 0, names
        assert "rescomp_constants_past_64_KB" in said.stderr


def test_only_an_avr_is_told(tmp_path):
    write_export(tmp_path, model("large", 7))
    subprocess.run(["gcc", "-std=c99", "-Wpedantic", "-Werror", "-c", "large.c"], cwd=tmp_path, check=True, timeout=120)
    names = subprocess.run(["nm", "large.o"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "rescomp_constants" not in names
