"""rescomp in Python: `run` makes a model directory, `load` opens one, and what they give shows itself, in notebooks too.

    import rescomp

    made = rescomp.run(data="my_recordings.npz", settings={"model.hidden_size": 16}, output="my_model")
    model = rescomp.load("my_model")
    model.predict(readings).labels
    model.profile("cortex-m4")

Each method is a stage (rescomp.stages) that a command line calls as well.
"""

from __future__ import annotations

from .model import Model, load
from .predictions import Predictions
from .results import Evaluated, Inspected, Profiled, Ran, Verified
from .running import run
from .streams import LiveStep, LiveStream

__all__ = ["Evaluated", "Inspected", "LiveStep", "LiveStream", "Model", "Predictions", "Profiled", "Ran", "Verified", "load", "run"]
