"""What the headers of .wav and .au files promise, against what the files hold.

libsndfile reads a file that broke off as a shorter one, and says nothing.
"""

from pathlib import Path
from typing import BinaryIO

UNKNOWN = 0xFFFFFFFF  # the size that is written where it is not known yet


def lacking_share(path: Path) -> float:
    """Return which part of the sound that a file's header promises is not there.

    Parameters
    ----------
    path : Path
        0 comes back for all but .wav (RIFF) and .au files, by their content, and for
        files whose header does not say a size.

    Returns
    -------
    share : float
        From 0, all is there, to 1.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] == b".snd":
            start, promised = (int.from_bytes(head[k : k + 4], "big") for k in (4, 8))
        elif head[:4] in (b"RIFF", b"RIFX") and head[8:] == b"WAVE":
            start, promised = _data_chunk(file, head[:4] == b"RIFX")
        else:
            return 0.0
    if promised in (0, UNKNOWN):
        return 0.0
    return max(promised - max(size - start, 0), 0) / promised


def _data_chunk(file: BinaryIO, big: bool) -> tuple[int, int]:
    """Return where the sound of a .wav begins, and how many bytes are promised."""
    while len(chunk := file.read(8)) == 8:
        length = int.from_bytes(chunk[4:], "big" if big else "little")
        if chunk[:4] == b"data":
            return file.tell(), length
        file.seek(length + length % 2, 1)
    return 0, 0
