"""How files are kept: whole or not at all, several together or none of them, and by one process at a time."""

from .atomic import clear_partials, write_atomically, write_error
from .disk import Disk, disk, injected
from .locks import LOCK, Holder, changing, holding, reading
from .regular_file import MOST_BYTES, open_file, read_file
from .transaction import STAGING, commit, recover

__all__ = [
    "LOCK",
    "MOST_BYTES",
    "STAGING",
    "Disk",
    "Holder",
    "changing",
    "clear_partials",
    "commit",
    "disk",
    "holding",
    "injected",
    "open_file",
    "read_file",
    "reading",
    "recover",
    "write_atomically",
    "write_error",
]
