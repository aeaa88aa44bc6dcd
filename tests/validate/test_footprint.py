"""What exported C takes of flash."""

import numpy as np
import pytest

from rescomp.export.c import constant_bytes
from rescomp.validate.c_program import write_export
from rescomp.validate.footprint import flash_bytes

MORE = """
extern const RESCOMP_FLASH uint8_t more[1024];
const RESCOMP_FLASH uint8_t more[1024] = {1};
"""
UNUSED = """
#include <stdint.h>

uint32_t unused(void);

uint32_t unused(void)
{
    return 7;
}
"""


@pytest.mark.parametrize("name", ["cortex-m0", "riscv32imc", "atmega328p"])
def test_every_constant_and_function_counts(random_fastgrnn, tmp_path, emulated, name):
    core = emulated(name)
    model = random_fastgrnn(np.random.default_rng(3), weights="int8")
    write_export(tmp_path, model)
    before = flash_bytes(core, model, tmp_path)
    assert before > constant_bytes(model)["model"]
    source = tmp_path / f"{model.name}.c"
    source.write_text(f"{source.read_text()}{MORE}")
    assert flash_bytes(core, model, tmp_path) == before + 1024
    (tmp_path / "rescomp" / "unused.c").write_text(UNUSED)
    assert before + 1024 < flash_bytes(core, model, tmp_path) <= before + 1024 + 16
