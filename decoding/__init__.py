"""Decoding: what was heard, read from responses."""
