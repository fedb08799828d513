"""The ground floor: nouns, checks, statistics, solvers and artefacts."""
