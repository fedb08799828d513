"""Analysis: from scores per voxel to what a paper quotes."""
