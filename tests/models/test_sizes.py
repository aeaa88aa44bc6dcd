"""What a manifest says of channels and classes allocates nothing that no export could hold."""

import resource

import pytest

from rescomp.errors import InputError
from rescomp.models import build, factory
from rescomp.recipe import ModelSection


@pytest.mark.parametrize(("channels", "classes", "what"), [(10**8, 3, "the input"), (10**15, 3, "the input"), (3, 10**8, "the head")])
@pytest.mark.parametrize("kind", ["fastgrnn", "fastrnn", "gru", "mgu", "lstm"])
def test_a_matrix_that_no_export_can_hold_is_refused_before_it_is_allocated(kind, channels, classes, what, monkeypatch):
    monkeypatch.setattr(factory, "RecurrentNet", None)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=f"the matrix of {what} has .* entries, and at most 4,194,304 can be exported"):
        build(ModelSection(kind=kind, hidden_size=8), channels, classes)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


def test_the_largest_that_can_be_exported_is_built():
    net = build(ModelSection(kind="fastgrnn", hidden_size=4), 1 << 20, 2)
    assert len(net.mean) == 1 << 20
