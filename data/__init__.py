"""Data: from files to the rows of Y, with runs, clips and repeats named."""
