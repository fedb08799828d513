"""Encoding: voxel responses predicted from feature spaces."""
