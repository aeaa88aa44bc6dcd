"""A judge that trains nothing: what a candidate takes and answers follows from its recipe. Run as a program, a worker with one."""

import hashlib
import sys
import time
from pathlib import Path

from rescomp.recipe import load_recipe
from rescomp.search.space import Space
from rescomp.search.storage import StudyStorage
from rescomp.search.study import Study, Trained

ASKED = ("model.kind=fastgrnn", "search.const=1KB", "search.trials=6", "search.finalists=0")


class MadeUp:
    """const 32 bytes a unit; the metric is drawn from the recipe. pause: seconds of a training."""

    def __init__(self, pause=0.0, broken_off_at=None):
        self.pause, self.broken_off_at = pause, broken_off_at
        self.priced, self.trained = [], []

    def price(self, recipe):
        self.priced.append(recipe)
        return {"const": 32 * recipe.model.hidden_size, "state": 100}

    def train(self, recipe, digest, passes):
        self.trained.append(digest)
        time.sleep(self.pause)
        if len(self.trained) == self.broken_off_at:
            raise KeyboardInterrupt
        metric = int(hashlib.sha256(digest.encode()).hexdigest()[:4], 16) / 65536
        return Trained(metric, self.price(recipe), digest) if passes(0, metric) else None


def made_up_study(folder, *more, judge=None, guess=None, heartbeat=1, grace=2, url=None, told=lambda text: None):
    """On recipes of one cell."""
    recipe = load_recipe(None, [*ASKED, *more])
    storage = StudyStorage(url, Path(folder), heartbeat=heartbeat, grace=grace)
    return Study(storage, "a study", recipe.search, Space(recipe), judge or MadeUp(), told, guess or {})


if __name__ == "__main__":
    folder, pause, trials, *url = sys.argv[1:]
    made_up_study(
        folder,
        f"search.trials={trials}",
        judge=MadeUp(float(pause)),
        guess={"model.hidden_size": 8},
        url=url[0] if url else None,
        told=lambda text: print(text, flush=True),
    ).run()
