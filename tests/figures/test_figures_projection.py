"""Tests of voxels in MNI space on the cortex."""

import numpy as np
import pytest
from nibabel import Nifti1Image
from nibabel.affines import apply_affine
from nilearn import datasets
from nilearn.surface import InMemoryMesh, vol_to_surf

from brain2music.core.checks import InputError
from brain2music.core.types import Space
from brain2music.figures.projection import (
    TO_MNI152,
    columns_on_cortex,
    middle_of_cortex,
    projected_caption,
)
from brain2music.figures.surfaces import flatmap_problem, mesh_name, spread

SHAPE = (40, 48, 36)
AFFINE = np.array([[-4.0, 0, 0, 78], [0, 4, 0, -112], [0, 0, 4, -60], [0, 0, 0, 1]])


@pytest.fixture
def space(rng):
    index = np.sort(rng.permutation(np.prod(SHAPE))[:40000])
    return Space(
        "volume", "MNI152NLin2009cAsym", tuple(map(str, index)), index, SHAPE, AFFINE
    )


def test_each_vertex_has_the_voxel_that_nilearn_has_at_half_its_depth(space, rng):
    values = rng.standard_normal(space.n_voxels)
    volume = np.full(np.prod(SHAPE), -99.0)
    volume[space.index] = values
    image = Nifti1Image(volume.reshape(SHAPE), AFFINE)
    meshes = datasets.load_fsaverage("fsaverage5")
    expected = []
    for side in ("left", "right"):
        outer, inner = (
            InMemoryMesh(
                apply_affine(TO_MNI152, meshes[key].parts[side].coordinates),
                meshes[key].parts[side].faces,
            )
            for key in ("pial", "white_matter")
        )
        how = {
            "kind": "depth",
            "depth": [0.5],
            "interpolation": "nearest_most_frequent",
        }
        expected.append(vol_to_surf(image, outer, inner_mesh=inner, **how).ravel())
    expected = np.concatenate(expected)
    expected[expected == -99.0] = np.nan
    laid = spread(values, space)
    assert laid.shape == (20484,)
    known = np.isfinite(laid)
    assert 2000 < known.sum() < 20484
    # Rounding of a point between two voxels is the only thing that may differ.
    same = (laid == expected) | (np.isnan(laid) & np.isnan(expected))
    assert same.mean() > 0.999


def test_the_voxel_is_where_the_cortex_is(space):
    columns = columns_on_cortex(space)
    has = columns >= 0
    voxels = np.array(np.unravel_index(space.index[columns[has]], SHAPE)).T
    apart = apply_affine(AFFINE, voxels) - middle_of_cortex()[has]
    assert np.abs(apart).max() <= 2.0 + 1e-6


def test_the_caption_says_how_and_counts_what_is_shown(space):
    columns = columns_on_cortex(space)
    n_shown = len(set(columns[columns >= 0].tolist()))
    said = projected_caption(space)
    assert f"shows {n_shown:,} of 40,000 voxels" in said
    assert "nearest, not smoothed" in said
    assert mesh_name(space) == "fsaverage5"


def test_a_volume_that_is_not_known_to_be_in_mni_has_no_map(space):
    own = Space("volume", "T1w", space.ids, space.index, SHAPE, AFFINE)
    assert flatmap_problem(space) is None
    assert "on no surface that is known here" in flatmap_problem(own)
    with pytest.raises(InputError, match="known to be MNI152"):
        spread(np.zeros(own.n_voxels), own)
