"""What makes a search cheaper than trying everything on every voxel."""

from dataclasses import dataclass

from ..checks import InputError


@dataclass(frozen=True, slots=True)
class Levers:
    """What a search may leave out; all off is the exact answer to what was asked.

    None looks at other voxels than the one it decides about, but for `n_refined`,
    which looks at a fixed sample of them; so results do not depend on chunks.

    Parameters
    ----------
    tolerance : float
        Share of each band's variance that may be lost when the band is put on its
        principal axes. 0 is exact.
    margin : float, optional
        A voxel whose best score after the first candidates (each band alone, all
        bands) is not above this stops searching and keeps its best so far. In shares
        of the held-out variance; the number of such voxels is reported. None: all
        voxels try all candidates.
    n_refined : int
        Candidates that are placed where a sample of voxels found their best ones. Each
        voxel tries those nearest to its own. 0: none.
    n_sampled : int
        About how many voxels that sample holds, in blocks spread over all.
    interpolate : bool
        Whether the lowest point of a parabola through the best three penalties, in
        their logarithms, is tried, too; so a coarser grid is enough. In kernel form,
        where each penalty costs blocks of its own, it is fitted with untried: scores
        are those of the grid.
    follow : bool
        Whether a voxel tries, after the first candidates, only the penalties around
        its best one, and further while the loss falls.
    widen : int
        Steps by which the grid of penalties grows where a voxel's best one for a
        candidate is its first or last. At the upper end not for voxels whose loss
        merely tends to that of the mean, as without signal.
    """

    tolerance: float = 1e-3
    margin: float | None = 0.001
    n_refined: int = 8
    n_sampled: int = 1000
    interpolate: bool = True
    follow: bool = True
    widen: int = 3

    def __post_init__(self) -> None:
        if self.n_refined < 0 or self.widen < 0:
            raise InputError(
                f"n_refined and widen must be at least 0, got {self.n_refined} and "
                f"{self.widen}. 0 turns them off."
            )
        if not 0 <= self.tolerance < 1:
            raise InputError(
                f"tolerance must be a share from 0 to below 1, got {self.tolerance}. 0 "
                "keeps everything; 0.001 keeps 99.9 % of each band's variance."
            )


EXACT = Levers(
    tolerance=0.0, margin=None, n_refined=0, interpolate=False, follow=False, widen=0
)
