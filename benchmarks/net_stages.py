"""The float net and the fine-tuning of a job, each begun, gone on with, or left as it is, with the seconds that it took."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from rescomp import stages
from rescomp.compress import SparseSupport, anneal, matrices
from rescomp.data.dataset import load_dataset
from rescomp.model_directory import CHECKPOINT, RECIPE, ModelDirectory, write_atomically
from rescomp.models import RecurrentNet, build, use_loop
from rescomp.recipe import Recipe, Sparse, to_toml
from rescomp.stages.net_readings import steps
from rescomp.train.checkpoint import CheckpointFile, load_net, save_net
from rescomp.train.determinism import make_deterministic
from rescomp.train.evaluate import accuracy
from rescomp.train.loop import fit
from rescomp.train.metrics import EpochReport
from rescomp.train.schedule import quantize_schedule

REPORTED_EVERY = 5


def train_float(recipe: Recipe, place: Path) -> None:
    """The float net, begun, gone on with, or left as it is."""
    directory, listener = ModelDirectory(place), Progress(place)
    if directory.has("manifest.json") and directory.manifest().accuracy.float_ is not None:
        listener.stage("the float net is there")
        return
    stages.train_model(None if directory.has(CHECKPOINT) else recipe, place, force=True, listener=listener)
    listener.keep()


def fine_tune(recipe: Recipe, float_place: Path, place: Path, listener: Progress) -> None:
    """A copy of the float net's directory with this job's recipe, and quantize in it."""
    if not place.exists():
        partial = place.with_name(f"{place.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(float_place, partial)
        ModelDirectory.open(partial).write({RECIPE: to_toml(recipe)})
        partial.rename(place)
    directory = ModelDirectory.open(place)
    if directory.has(CHECKPOINT):
        stages.quantize(place, resume=True, listener=listener)
    elif directory.manifest().accuracy.integer is None:
        stages.quantize(place, listener=listener)
    listener.keep()


def train_sparse_float(recipe: Recipe, float_place: Path, place: Path, listener: Progress) -> float:
    """Iterative hard thresholding of the float net, no quantization (the paper's L+S); returns its accuracy."""
    result = place.with_name(f"{place.name}.sparse.safetensors")
    checkpoint = CheckpointFile(place.with_name(f"{place.name}.checkpoint.safetensors"))
    sparse = next(entry for entry in recipe.compress if isinstance(entry, Sparse))
    dataset = load_dataset(recipe.data)
    make_deterministic(recipe.train.seed, recipe.train.threads)
    net = build(recipe.model, dataset.train.channels, len(dataset.classes))
    use_loop(net, recipe.train.loop)
    if result.exists():
        make_sparse(net, sparse)
        load_net(net, result)
    else:
        listener.stage("sparse float net")
        load_net(net, float_place / "float.safetensors")
        make_sparse(net, sparse)
        schedule = quantize_schedule(recipe.train, recipe.quantize, [sparse])
        on_step = annealing(net)
        resume = checkpoint.path.exists()
        training = steps(recipe, net, dataset.train)
        fit(net, training, schedule, on_step=on_step, spread=net.std, report=listener.epoch, checkpoint=checkpoint, resume=resume)
        save_net(net, result)
        checkpoint.path.unlink()
        listener.keep()
    return accuracy(net, steps(recipe, net, dataset.test))


def annealing(net: RecurrentNet) -> Callable[[int, int], None]:
    return lambda done, total: anneal(net, done, total)


def make_sparse(net: RecurrentNet, sparse: Sparse) -> None:
    """Supports for the cell's matrices, as compress puts them there."""
    for cell in net.cells:
        for projection, density in ((cell.input, sparse.density_w), (cell.recurrent, sparse.density_u)):
            for matrix in matrices(projection):  # type: ignore[arg-type]
                matrix.support = SparseSupport.of(matrix.weight, density or sparse.density, sparse)


class Progress:
    """Prints stages and some epochs, and keeps the seconds worked on `place` in a file beside it, over interruptions."""

    def __init__(self, place: Path) -> None:
        self.path = place.with_name(f"{place.name}.seconds")
        self.seconds = float(self.path.read_text()) if self.path.exists() else 0.0
        self._since = time.monotonic()

    def keep(self) -> None:
        """Add the time since the last call."""
        now = time.monotonic()
        self.seconds, self._since = self.seconds + now - self._since, now
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, f"{self.seconds:.1f}\n".encode())

    def stage(self, title: str) -> None:
        print(f"  {title}", flush=True)

    def progress(self, progress: object) -> None:
        pass

    def warning(self, text: str) -> None:
        print(f"  warning: {text}", flush=True)

    def epoch(self, report: EpochReport) -> None:
        before = self.seconds
        self.keep()
        if report.epoch % REPORTED_EVERY == 0 or report.epoch in (1, report.epochs):
            figures = f"loss {report.loss:.4f}  training accuracy {report.accuracy:.2%}  {self.seconds - before:.1f} s"
            print(f"  {report.stage} {report.epoch}/{report.epochs}  {figures}  {report.schedule or ''}", flush=True)
