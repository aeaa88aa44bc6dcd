"""Graphs that must not change: those of drawn nets of every cell, layered net and storage, by their digests."""

import json

import pytest

from rescomp.graph.serialize import digest
from rescomp.tests.goldens import nets

STORED = json.loads((nets.FOLDER / "graphs.json").read_text())


def test_every_recipe_has_its_digest():
    assert set(STORED) == set(nets.RECIPES)
    assert len(STORED) >= 40
    assert len(set(STORED.values())) == len(STORED)


@pytest.mark.parametrize("name", nets.RECIPES)
def test_the_graph_of_a_drawn_net_is_what_it_was(name):
    assert digest(nets.graph_of(name)) == STORED[name]
