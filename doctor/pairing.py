"""Whether each run's responses belong to its own stimulus."""

from .stretches import FEWEST_BLOCKS, Common, t_test
from .verdict import Finding


def judge_swaps(at: Common, subject: str, level: float) -> Finding:
    """Return which runs fit another run's stimulus better than their own."""
    level /= len(at.courses) * (len(at.courses) - 1)
    found = []
    for run in at.courses:
        tested = []
        for other in at.courses:
            if other != run:
                others, own = at.against(run, other)
                enough = len(own) >= FEWEST_BLOCKS
                p = t_test(others - own) if enough else 1.0
                tested.append((p, str(other), others.mean(), own.mean()))
        p, fits, r, r_own = min(tested)
        if p < level:
            text = f"{run} fits the stimulus of {fits} (r {r:.3f}, its own {r_own:.3f})"
            found.append((str(run), text))
    if not found:
        text = f"{subject}: each run's responses fit its own stimulus best."
        return Finding("swapped-runs", "passed", text, (subject,))
    text = f"{subject}: {'; '.join(text for _, text in found)}."
    where = tuple(run for run, _ in found)
    return Finding("swapped-runs", "failed", text, where)
