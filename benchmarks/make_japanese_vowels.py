"""Make data/bundled/japanese_vowels.npz from the archive's text files: make_japanese_vowels.py TRAIN.ts TEST.ts OUT.npz."""

from __future__ import annotations

import sys
from pathlib import Path

from rescomp.data.bundled import pack
from rescomp.data.ts import read_ts_pair
from rescomp.graph.serialize import to_npz

DECIMALS = 6


def main(train: str, test: str, out: str) -> None:
    data = to_npz(pack(read_ts_pair(Path(train), Path(test)), DECIMALS))
    Path(out).write_bytes(data)
    print(f"{out}: {len(data)} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
