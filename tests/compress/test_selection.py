"""Entries of compress that name their matrices: each applies to what it names, the last one counts, and what cannot be is refused."""

import pytest
import torch

from rescomp.compress import IntegerStorage, TernaryStorage, constrain, named_matrices
from rescomp.errors import InputError
from rescomp.models import build, build_net
from rescomp.recipe import LowRank, ModelSection, Quantize, Sparse, Ternary, load_recipe, revise

HYBRID = [Ternary(), Quantize(bits=4, matrices=("W*", "classifier"))]
LAYERED = ModelSection(kind="dscnn1d", widths=(4,), blocks=1)


def cells(**section):
    torch.manual_seed(0)
    return build(ModelSection(hidden_size=5, **section), 3, 4)


def layered(section=LAYERED):
    torch.manual_seed(0)
    return build_net(section, (12, 3), 4)


def storages(net):
    """By name, what a matrix is stored as: the bits of integers."""
    found = {name: {getattr(matrix.storage, "bits", "ternary") for matrix in every} for name, every in named_matrices(net).items()}
    assert all(len(kinds) == 1 for kinds in found.values())
    return {name: kinds.pop() for name, kinds in found.items()}


def test_every_matrix_has_the_storage_of_the_entry_that_names_it():
    expected = {"W": 4, "U": "ternary", "W_2": 4, "U_2": "ternary", "classifier": 4}
    for entries in (HYBRID, HYBRID[::-1], [LowRank(rank_u=2), *HYBRID]):
        assert storages(constrain(cells(layers=2), entries)) == expected


def test_a_later_entry_overrides_an_earlier_one():
    entries = [Quantize(matrices=("*",)), Quantize(bits=6, matrices=("?",)), Ternary(matrices=("U",))]
    assert storages(constrain(cells(), entries)) == {"W": 6, "U": "ternary", "classifier": 8}


def test_layers_have_their_own_names_and_depthwise_kernels_stay_dense():
    net = layered()
    names = list(named_matrices(net))
    depthwise = [name for name in names if net.layer_modules[0].by_name[name].layer.depthwise]
    found = storages(constrain(net, [Ternary(), Quantize(bits=4, matrices=(names[0], *depthwise))]))
    assert found == {name: 4 if name == names[0] else 8 if name in depthwise else "ternary" for name in names}
    ends = constrain(net, [Ternary(first_and_last="dense"), Quantize(bits=4, matrices=(names[0],))])
    assert [storages(ends)[name] for name in (names[0], names[-1])] == [4, 8]
    with pytest.raises(InputError, match=rf"^compress: int4 of {depthwise[0]} changes nothing, since depthwise kernels stay"):
        constrain(net, [Ternary(), Quantize(bits=4, matrices=(depthwise[0],))])


def test_cells_and_layers_of_stages_are_named_side_by_side():
    section = load_recipe(None, ["model.stages=[{kind='convolution',width=4,norm='none'},{kind='gru',hidden_size=3}]"]).model
    assert list(named_matrices(build_net(section, (3,), 4))) == ["W", "U", "convolution1", "classifier"]


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        (
            [Ternary(matrices=("V",)), Quantize()],
            "matrices in compress: 'V' matches none of this net's matrices, which are W, U, classifier",
        ),
        ([Ternary(matrices=("u",)), Quantize()], "matrices in compress: 'u' matches none"),
        ([Quantize(matrices=("U",)), Ternary(matrices=("U", "W"))], "compress: other entries take every matrix that int8 of U is for"),
        ([Quantize(matrices=("*",)), Ternary()], "compress: other entries take every matrix that ternary is for"),
        ([Quantize(matrices=("W",))], "compress does not say how U is stored: name it too, or add an entry that names no matrices"),
        ([Sparse(matrices=("U",), density=0.5), *HYBRID], "U cannot be sparse and ternary"),
        ([Sparse(), *HYBRID], "U cannot be sparse and ternary"),
        ([Ternary(packing="rows", matrices=("V",)), Quantize()], "matrices in compress: 'V' matches none"),
        ([Quantize(first_and_last="dense", matrices=("W",)), Ternary()], 'first_and_last = "dense" is for nets without state'),
    ],
)
def test_what_cannot_be_is_refused(entries, sentence):
    with pytest.raises(InputError) as refused:
        constrain(cells(), entries)
    assert str(refused.value).startswith(sentence)


def test_rows_one_after_the_other_are_for_cells_and_their_classifier():
    rows = Ternary(packing="rows", matrices=("classifier",))
    net = constrain(cells(), [Ternary(), rows])
    assert [matrix.storage.packing for (matrix,) in named_matrices(net).values()] == ["blocks", "blocks", "rows"]
    name = next(iter(named_matrices(layered())))
    with pytest.raises(InputError, match=rf'^packing = "rows" in compress is for cells and their classifier, and {name} is a layer'):
        constrain(layered(), [Ternary(packing="rows")])


def test_densities_are_of_what_their_entries_name():
    entries = [Sparse(density=0.2, matrices=("W",)), Sparse(density=0.6), Quantize()]
    net = constrain(cells(layers=2), entries)
    found = {name: [matrix.support.density for matrix in every if matrix.is_sparse] for name, every in named_matrices(net).items()}
    assert found == {"W": [0.2], "U": [0.6], "W_2": [0.6], "U_2": [0.6], "classifier": []}
    beside_ternary = constrain(cells(), [Sparse(density=0.5, matrices=("W",)), Quantize(matrices=("W",)), Ternary()])
    assert [matrix.is_sparse for (matrix,) in named_matrices(beside_ternary).values()] == [True, False, False]
    assert [type(matrix.storage) for (matrix,) in named_matrices(beside_ternary).values()] == [
        IntegerStorage,
        TernaryStorage,
        TernaryStorage,
    ]


def test_recipes_say_names_as_lists_or_as_one_text_and_a_storage_for_all_replaces_them():
    recipe = load_recipe(None, ["compress=[{kind='ternary',scale='power_of_two'},{kind='quantize',bits=4,matrices=['W','classifier']}]"])
    assert revise(recipe, ["compress.1.matrices=W, classifier"]) == recipe
    assert revise(recipe, weights="int8").compress == (Quantize(scale="power_of_two"),)
    assert revise(recipe, weights="ternary").compress == (Ternary(scale="power_of_two"),)
    named = load_recipe(None, ["compress=[{kind='ternary',matrices='U'},{kind='quantize',matrices='W,classifier'}]"])
    assert revise(named, weights="ternary").compress == (Ternary(),)


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ("{kind='ternary'},{kind='quantize'}", "exactly one entry must say how weights are stored"),
        ("{kind='ternary',matrices=[]}", "a list of at least 1 is wanted"),
        ("{kind='ternary',matrices=[3]}", "a string is wanted"),
        ("{kind='ternary',scale='power_of_two',activations='int8'},{kind='quantize',matrices='a'}", "activations is one for the whole net"),
        ("{kind='sparse',density_u=0.5,matrices='U'},{kind='quantize'}", "density_w and density_u in compress are of every cell's W and U"),
    ],
)
def test_what_a_recipe_cannot_say_is_refused(entries, sentence):
    with pytest.raises(InputError, match=sentence):
        load_recipe(None, [f"compress=[{entries}]"])
