"""Compare feature spaces per region, from Python: python compare_feature_spaces.py DIR.

DIR holds the results of `brain2music demo --out DIR`, or of a study of your own whose
file lies in DIR/study/study.toml.
"""

import sys
from pathlib import Path

from brain2music import load_study, run


def main(folder: Path) -> None:
    """Print which feature space leads in each region, and by how much."""
    study = load_study(folder / "study" / "study.toml")
    result = run(study, folder)  # what is saved is not made again
    alone = result.roi_scores.query("model == 'alone'")
    table = alone.pivot_table(
        index=["roi", "subject"], columns="feature_space", values="r_mean"
    )
    sys.stdout.write(f"{study.title}: r on held-out runs\n{table.round(3)}\n\n")
    clear = result.roi_differences.query("low > 0 or high < 0")
    sys.stdout.write("Differences whose 95 % interval leaves out 0:\n")
    sys.stdout.write(f"{clear.round(3).to_string(index=False)}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
