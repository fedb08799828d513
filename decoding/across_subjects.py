"""A subject decoded by what was learnt from others."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core.checks import InputError
from .alignment import Method, align, fit_alignment
from .decode import Decoded, decode
from .decoders import Decoder
from .folds import Unit
from .rows import Pairs, check_apart


@dataclass(frozen=True, slots=True, eq=False)
class NewSubject:
    """The subject that is tested, of whom the decoder learns nothing.

    Parameters
    ----------
    name : str
    shared : Pairs
        Rows to align by: stimuli that the reference heard too, in the same order as
        its training rows.
    test : Pairs
        Rows to decode; of other runs and other clips.
    """

    name: str
    shared: Pairs
    test: Pairs


def decode_across(
    decoder: Decoder,
    trained: Mapping[str, Pairs],
    new: NewSubject,
    *,
    reference: str,
    method: Method,
    n_folds: int = 5,
    unit: Unit = "run",
) -> Decoded:
    """Fit a decoder on some subjects, in the voxels of one of them, and test another.

    Every subject is brought to the voxels of the reference on training rows. The
    decoder learns from the reference and the other trained subjects; the new subject
    gives only the rows that align it.

    Parameters
    ----------
    decoder : Decoder
        Its selections are of the reference's voxels.
    trained : dict of subject to Pairs
        Training rows, of the same stimuli in the same order.
    new : NewSubject
    reference : str
        One of the trained subjects.
    method : 'procrustes', 'ridge' or 'transport'
    n_folds, unit
        As in `decode`. Folds are made of the runs in which the reference heard the
        clips, for the rows of all trained subjects, so that no clip lies in two of
        them, also where another subject heard it in another run.

    Returns
    -------
    decoded : Decoded

    Raises
    ------
    InputError
        If the new subject is among the trained, the reference is not, or tested runs
        or clips were used in training or alignment.
    """
    if new.name in trained or reference not in trained:
        raise InputError(
            f"trained on {', '.join(trained)}, tested {new.name}, reference "
            f"{reference}. The tested subject must not be among the trained, and the "
            "reference must be one of them."
        )
    base = trained[reference]
    for pairs in trained.values():
        _check_runs(pairs, new.test)
    parts = [base]
    for name, pairs in trained.items():
        if name != reference:
            fitted = fit_alignment(pairs, base, method=method, n_folds=n_folds)
            parts.append(align(fitted, pairs, tested=False))
    fitted = fit_alignment(new.shared, base, method=method, n_folds=n_folds)
    test = align(fitted, new.test, tested=True)
    return decode(decoder, _stacked(parts), test, n_folds=n_folds, unit=unit)


def _stacked(parts: list[Pairs]) -> Pairs:
    """Return the rows of all parts, with the runs of the first, the reference."""
    return Pairs(
        np.concatenate([part.Y for part in parts]),
        np.concatenate([part.T for part in parts]),
        np.tile(parts[0].runs, len(parts)),
        np.concatenate([part.clips for part in parts]),
    )


def _check_runs(train: Pairs, test: Pairs) -> None:
    """Raise as `check_apart` does, whatever the voxels of the two subjects."""
    blank = np.zeros((len(test.Y), train.Y.shape[1]))
    check_apart(train, Pairs(blank, test.T, test.runs, test.clips))
