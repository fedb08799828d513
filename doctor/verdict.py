"""What the doctor found: one finding per check, and the verdict that they make."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from pathlib import Path
from typing import Literal

import pandas as pd

from ..core.notebooks import line_and_table
from .catalogue import CARDS, Card

Status = Literal["failed", "not made", "shown", "passed"]
ORDER: tuple[Status, ...] = ("failed", "not made", "shown", "passed")


@dataclass(frozen=True, slots=True)
class Curve:
    """How well responses fit their stimulus, moved against it.

    Parameters
    ----------
    name : str
        Of the run, or of all.
    lags_s : tuple of float
        How far the responses are taken after the sound.
    r : tuple of float
        At each of these.
    lag_s : float
        Where it should be largest: the lag of the other runs.
    """

    name: str
    lags_s: tuple[float, ...]
    r: tuple[float, ...]
    lag_s: float


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Parameters
    ----------
    key : str
        Of the check's card, see `catalogue.CARDS`.
    status : 'failed', 'not made', 'shown' or 'passed'
        'not made': the check could not be made, and `found` says why. 'shown': a
        number to be read beside the scores, which no check may judge.
    found : str
        What was found, in a sentence that names run or file.
    where : tuple of str
        Subjects, runs or files that it is about.
    values : dict of str to float
        Numbers of it, with their unit in the name.
    curves : tuple of Curve
        To be drawn.
    """

    key: str
    status: Status
    found: str
    where: tuple[str, ...] = ()
    values: dict[str, float] = field(default_factory=dict)
    curves: tuple[Curve, ...] = ()

    @property
    def card(self) -> Card:
        """What the check is, why it matters, and what to do."""
        return CARDS[self.key]


@dataclass(frozen=True, slots=True)
class Verdict:
    """All findings on a study, the heaviest first.

    Parameters
    ----------
    title : str
        Of the study.
    findings : tuple of Finding
    about : dict of str to str
        How the checks were made: voxels, seconds, seed, level.
    """

    title: str
    findings: tuple[Finding, ...]
    about: dict[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> tuple[Finding, ...]:
        """Findings that failed."""
        return self.having("failed")

    @property
    def exit_code(self) -> int:
        """0 where no check failed, 3 where one did."""
        return 3 if self.failed else 0

    def having(self, status: Status) -> tuple[Finding, ...]:
        """Return the findings of one status, the heaviest first."""
        return tuple(one for one in self.findings if one.status == status)

    def checks(self, status: Status) -> tuple[str, ...]:
        """Return the checks of which a finding has this status and none a heavier."""
        worst: dict[str, Status] = {}
        for one in self.findings:
            now = worst.get(one.key, one.status)
            worst[one.key] = min(now, one.status, key=ORDER.index)
        return tuple(key for key, found in worst.items() if found == status)

    def by_check(self, status: Status) -> tuple[tuple[Finding, ...], ...]:
        """Return the findings of one status, those of one check together."""
        groups: dict[str, list[Finding]] = {}
        for one in self.having(status):
            groups.setdefault(one.key, []).append(one)
        return tuple(map(tuple, groups.values()))

    def __str__(self) -> str:
        lines = [f"{self.title}: {self.summary()}"]
        for group in self.by_check("failed"):
            lines.append(f"failed: {group[0].card.fault}.")
            lines += [f"    {one.found}" for one in group]
            lines.append(f"    what to do: {group[0].card.advice}")
        for group in self.by_check("not made"):
            texts = dict.fromkeys(one.found for one in group)
            lines += [f"not made: {group[0].card.topic}. {text}" for text in texts]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """Show in a notebook all that did not pass, the heaviest first."""
        rows = [
            {
                "": one.status,
                "check": one.card.topic,
                "found": one.found,
                "what to do": one.card.advice if one.status == "failed" else "",
            }
            for one in self.findings
            if one.status != "passed"
        ]
        line = f"{self.title}: {self.summary()}"
        return line_and_table(line, pd.DataFrame(rows))

    def summary(self) -> str:
        """Return how many checks failed, passed, or could not be made."""
        n = {status: len(self.checks(status)) for status in ORDER}
        head = f"{_count(n['failed'])} failed" if n["failed"] else "no check failed"
        return (
            f"{head}; {n['passed']} passed, {n['not made']} could not be made, "
            f"{n['shown']} to be read beside the scores"
        )


def _count(n: int) -> str:
    return f"{n} check{'' if n == 1 else 's'}"


def runs_in(text: str) -> tuple[str, ...]:
    """Return the runs, subjects and files that a message names.

    Examples
    --------
    >>> runs_in("sub-01, task-Test_run-02: 3 voxels never vary.")
    ('sub-01', 'task-Test_run-02')
    """
    pattern = r"(?:ses-\w+_)?(?:task-[A-Za-z0-9]+_)?run-[A-Za-z0-9]+|sub-[A-Za-z0-9]+"
    files = r"[\w./-]+\.(?:tsv|csv|json|nii(?:\.gz)?|npy|npz|gii|toml|h5|mat|wav|au)\b"
    return tuple(dict.fromkeys(re.findall(f"{files}|{pattern}", text)))


def make_verdict(
    title: str, findings: Sequence[Finding], about: dict[str, str]
) -> Verdict:
    """Return a verdict: failed checks first, and among them the heaviest."""
    ordered = sorted(
        findings, key=lambda one: (ORDER.index(one.status), -one.card.weight)
    )
    return Verdict(title, tuple(ordered), about)


def write_json(verdict: Verdict, path: Path) -> None:
    """Write a verdict with its cards, for programs."""
    rows = [
        {
            **asdict(one),
            "values": {k: v if isfinite(v) else None for k, v in one.values.items()},
            "card": asdict(one.card),
        }
        for one in verdict.findings
    ]
    whole = {
        "title": verdict.title,
        "failed": len(verdict.failed),
        "failed_checks": list(verdict.checks("failed")),
        "exit_code": verdict.exit_code,
        "about": verdict.about,
        "findings": rows,
    }
    text = json.dumps(whole, indent=1, allow_nan=False, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")
