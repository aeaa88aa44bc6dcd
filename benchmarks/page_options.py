"""The options that benchmarks have in common."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

DATA_VARIABLE = "RESCOMP_BENCHMARK_DATA"


def page_parser(description: str | None) -> argparse.ArgumentParser:
    """With the place of finished models, and the folder of the data."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data-folder", type=Path, default=Path(os.environ.get(DATA_VARIABLE, ".")))
    return parser
