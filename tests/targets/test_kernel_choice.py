"""Which kernel a core multiplies with, and in which layout."""

import numpy as np
import pytest

from rescomp.export.c import export_c, translate
from rescomp.graph.ops.drawing import draw_storage
from rescomp.graph.weights import SparseWeight
from rescomp.targets.cores import CORES
from rescomp.targets.kernel_choice import Target, choose_products, graph_on, product_forms
from rescomp.targets.kernel_costs import COSTS


def ternary(rows, columns):
    return draw_storage(np.random.default_rng(0), "ternary", rows, columns)


@pytest.mark.parametrize("core", CORES.values(), ids=CORES)
@pytest.mark.parametrize("activation", ["int8", "int16"])
def test_every_choice_has_its_costs(core, activation):
    forms = product_forms(ternary(9, 10), activation, Target(core))
    assert len(forms) == 2
    assert {(activation, form.storage) for form in forms} <= set(COSTS[core.kernels[0]])


@pytest.mark.parametrize(
    ("core", "format"),
    [
        ("cortex-m0", "ternary_tabled_words"),
        ("cortex-m7", "ternary_tabled_words"),
        ("riscv32imc", "ternary_tabled_words"),
        ("cortex-m55", "int8"),
        ("atmega328p", "ternary_tabled_bytes"),
    ],
)
def test_speed_takes_the_fastest(core, format):
    (product,) = choose_products([(ternary(80, 40), "int16")], Target(CORES[core]))
    assert product.storage == format


def test_int4_weights_are_widened_where_that_is_fastest():
    weight = draw_storage(np.random.default_rng(0), "int4", 16, 16)
    formats = [choose_products([(weight, "int16")], Target(CORES[core]))[0].storage for core in ("cortex-m4", "cortex-m55")]
    assert formats == ["int4", "int8"]


def test_size_counts_the_kernels_with_the_matrices():
    """Many small matrices pad least in the generic layout; on AVR its kernel is the longer one, so that few never do."""
    small, many = [(ternary(8, 12), "int16")], [(ternary(8, 12), "int16")] * 40
    formats = {
        (name, len(needs)): {product.storage for product in choose_products(needs, Target(CORES[name], "size"))}
        for name in ("cortex-m3", "atmega328p")
        for needs in (small, many)
    }
    assert formats["cortex-m3", 1] == formats["cortex-m3", 40] == {"ternary"}
    assert formats["atmega328p", 1] == {"ternary_tabled_bytes"}
    for target in (Target(CORES["cortex-m3"], "size"), Target(CORES["atmega328p"], "size")):
        assert len({product.storage for product in choose_products(many, target)}) == 1


def test_what_a_layout_cannot_hold_stays_generic():
    (wide,) = choose_products([(ternary(2, 1028), "int16")], Target(CORES["atmega328p"]))
    (narrow,) = choose_products([(ternary(2, 344), "int8")], Target(CORES["atmega328p"]))
    assert wide.storage == narrow.storage == "ternary"


def test_sparse_weights_keep_their_own_kernels(random_fastgrnn):
    weight = SparseWeight(np.eye(6, dtype=np.int8), 8, "bitmap")
    assert choose_products([(weight, "int16")], Target(CORES["cortex-m4"])) == [None]
    model = random_fastgrnn(np.random.default_rng(0), weights="sparse_bitmap_int8")
    assert "rescomp_fully_connected_int16_sparse_bitmap_int8(" in export_c(model, Target(CORES["cortex-m4"]))["tiny.c"].decode()


@pytest.mark.parametrize("core", ["cortex-m0", "atmega328p"])
def test_an_update_is_one_layer(random_fastgrnn, core):
    model, target = random_fastgrnn(np.random.default_rng(0)), Target(CORES[core])
    names = [layer.name for layer in translate(model, target).functions["step"].layers]
    assert names == [node.name for node in graph_on(model.graphs["step"], target).nodes]
    assert names[-1] == "state"
    assert not {"gate", "candidate", "preactivation"} & set(names)


def test_the_plain_export_is_as_it_was(random_fastgrnn):
    """No scratch of kernels, no file of a core."""
    files = export_c(random_fastgrnn(np.random.default_rng(0)))
    assert not [name for name in files if name.endswith(".S") or "product" in name]
    assert "union" not in files["tiny.h"].decode()
