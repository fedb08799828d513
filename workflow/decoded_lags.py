"""Identification by one volume, so many after the onset of its clip."""

import pandas as pd

from ..decoding.decoders import Decoder
from ..decoding.lags import Presented, lag_curve
from ..decoding.rows import Pairs
from ..study import Study
from .decoded_rows import Side, ToDecode, averages, moments, stretches
from .decoding_choices import pool_of
from .decoding_targets import Target, unit_of


def lags_table(
    study: Study, rows: ToDecode, target: Target, decoder: Decoder
) -> pd.DataFrame:
    """Return identification by one volume, for each lag after the onset of the clip."""
    return lag_curve(
        decoder,
        presented(rows.train, target.train),
        presented(rows.test, target.test),
        lags=study.decoding.lags,
        tr_s=study.dataset.tr_s,
        pool=pool_of(study, target.test),
        n_folds=study.decoding.n_folds,
        unit=unit_of(study, rows),
    )


def presented(side: Side, pairs: Pairs) -> Presented:
    """Return all volumes of a side, and the mean target of each presentation.

    Where repeats are averaged there is one presentation of each clip, and its volumes
    are counted from the onset of the clip; else from the start of the run.
    """
    assert side.volumes is not None, "read where decoding.lags are asked for"
    rows = side.rows
    keys = ["clip"] if averages(side.every) else ["run_name", "presentation"]
    means = pd.DataFrame(pairs.T).groupby([rows[k] for k in keys], sort=False).mean()
    onsets = pd.DataFrame(
        {
            "run": stretches(rows),
            "onset": moments(rows) - rows["sample_in_clip"].to_numpy(),
            "clip": rows["clip"].to_numpy(),
        }
    )
    onsets = onsets[~rows.duplicated(keys).to_numpy()]
    return Presented(
        side.volumes,
        stretches(side.every),
        moments(side.every),
        onsets["run"].to_numpy(),
        onsets["onset"].to_numpy(),
        onsets["clip"].to_numpy(),
        means.to_numpy(),
    )


def lag_notes(table: pd.DataFrame | None) -> list[str]:
    """Say how many presentations lack a volume at a lag, if any do."""
    if table is None:
        return []
    notes = []
    for name, why in (
        ("n_outside", "would lie outside their run or clip"),
        ("n_cut_out", "was cut out, as a censored one"),
    ):
        short = table.loc[table[name] > 0, ["lag", name]]
        if len(short):
            most = int(short[name].max())
            notes.append(
                f"decoding_lags: at {len(short)} of {len(table)} lags, up to {most} "
                f"presentations are left out, since their volume {why}."
            )
    return notes
