"""A stream of samples of which some are lost, before a front-end and a net with a policy: the meaning of <model>_stream_push in the C."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .events import BoolArray
from .fixed_point import IntArray
from .ir import IntegerModel
from .policy import StreamWalk
from .sound import evaluate_frontend, frames_of_inputs


def lost_inputs(model: IntegerModel, lost: BoolArray) -> BoolArray:
    """Which inputs read a sample that was lost: bool [inputs], of samples bool [samples]. Frames lie as if none were."""
    frames = frames_of_inputs(model, lost[:, None].astype(np.int8))
    of_inputs: BoolArray = frames.reshape(-1, model.frames_an_input * frames.shape[1]).any(axis=1)
    return of_inputs


def walk_samples(model: IntegerModel, samples: IntArray, lost: BoolArray) -> Iterator[tuple[IntArray, int | None]]:
    """After every input (its scores, int64 [*shape]; the decision of a model that decides, else None).

    samples: int [samples, channels]; lost: bool [samples], those that are not read. An input that reads a lost sample is a lost reading of
    the model's policy.
    """
    walk = StreamWalk(model)
    heard = np.where(lost[:, None], 0, samples)
    for features, gap in zip(evaluate_frontend(model, heard), lost_inputs(model, lost), strict=True):
        if gap:
            walk.gap()
        else:
            walk.step(features)
        scores = walk.scores()
        yield scores, walk.decide(scores) if model.decides else None
