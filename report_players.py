"""What can be listened to on the page: sounds that a run left, clip by clip."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

STEPS = ("retrieval", "generation")


@dataclass(frozen=True)
class Clip:
    """What can be heard of a test clip: each sound's caption, and where it lies."""

    name: str
    sounds: list[tuple[str, str]]


def find_clips(out: Path, subjects: Sequence[str]) -> list[Clip]:
    """Return the sounds of retrieval and generation; paths start at the page."""
    found: dict[str, list[tuple[str, str]]] = {}
    for subject in subjects:
        for step in STEPS:
            place = f"{step}/sub-{subject}"
            path = out / place / "players.csv"
            if not path.exists():
                continue
            table = pd.read_csv(path, dtype=str, keep_default_na=False)
            for row in table.itertuples(index=False):
                sound = (f"{row.what}: {row.track}", f"../{place}/{row.file}")
                found.setdefault(f"sub-{subject}, {row.clip}", []).append(sound)
    return [Clip(name, sounds) for name, sounds in found.items()]
