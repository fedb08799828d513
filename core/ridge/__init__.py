"""Ridge solvers, used by encoding and decoding alike."""
