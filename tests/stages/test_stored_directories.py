"""Model directories of this version stay readable, and what is exported from them stays what it was."""

import shutil

import pytest

from rescomp import stages
from rescomp.graph.serialize import digest
from rescomp.model_directory import ModelDirectory
from rescomp.stages.artefacts import read_model
from rescomp.tests.goldens.directories import DIRECTORIES, KINDS, LATER


@pytest.mark.parametrize("name", KINDS)
def test_a_stored_directory_is_read_verified_and_exported_as_it_was(name, tmp_path):
    path = tmp_path / "model"
    shutil.unpack_archive(DIRECTORIES / f"{name}.zip", path)
    directory = ModelDirectory.open(path)
    assert digest(read_model(directory)) == directory.manifest().graph_sha256
    stages.export_model(path, ["c"])
    for suffix in (".c", ".h"):
        assert (path / "c" / f"golden{suffix}").read_text() == (DIRECTORIES / f"{name}{suffix}").read_text()
    found = stages.verify(path, "torch", stress="off")
    assert found.mismatches == 0
    assert [entry.witness for entry in found.witnesses] == ["torch"]
    assert name not in LATER or stages.migrate(path).changes == ()
