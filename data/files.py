"""Finds a subject's files by session, task and run, and picks runs by rule.

A pattern is a path relative to the data set's root. `{subject}`, `{session}`, `{task}`
and `{run}` stand for labels of letters and digits; a part in square brackets is left
out where its label is missing::

    sub-{subject}/[ses-{session}/]func/sub-{subject}[_ses-{session}]_task-{task}_bold.nii.gz
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.checks import InputError, MissingFileError, check_choice, nearest
from ..core.types import Run, natural

KEYS = ("subject", "session", "task", "run")
Rule = Mapping[Any, str | Sequence[str]]

_PLACEHOLDER = re.compile(r"\{(\w*)\}")
_LABEL = re.compile(r"[A-Za-z0-9]+")


def find_runs(root: Path, pattern: str, subject: str) -> dict[Run, Path]:
    """Return the files of `subject` that fit `pattern`, by run.

    Parameters
    ----------
    root : Path
        Folder of the data set.
    pattern : str
        Path relative to `root` (see the head of this module). What the pattern does
        not name is '' (task, run) or None (session) in the run.
    subject : str
        Label, without 'sub-'.

    Returns
    -------
    files : dict of Run to Path
        Sorted as a reader would sort them: run-2 before run-10. A link is listed
        even if what it points to is missing; opening the file then says so.

    Raises
    ------
    InputError
        If the pattern cannot be read, or two files hold one run.
    MissingFileError
        If nothing fits.
    """
    _check_label("subject", subject)
    found: dict[Run, Path] = {}
    first_of: dict[tuple, Path] = {}
    for path, labels in _matches(root, pattern, subject):
        run = Run(labels.get("task", ""), labels.get("run", ""), labels.get("session"))
        other = first_of.setdefault(_without_padding(run), path)
        if other != path:
            raise InputError(
                f"sub-{subject}, {run}: two files for one run, {_under(other, root)} "
                f"and {_under(path, root)}. Remove one, or make the pattern "
                f"{pattern!r} fit only one."
            )
        found[run] = path
    if not found:
        raise MissingFileError(_nothing_found(root, pattern, subject))
    return {run: found[run] for run in sorted(found, key=lambda run: run.order)}


def file_inside(root: Path, name: str) -> Path:
    """Return a file that the study names, which must lie inside the data set's folder.

    Raises
    ------
    InputError
        If it lies outside.
    MissingFileError
        If it is not there.
    """
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise InputError(f"{name} lies outside the data set's folder {root}.")
    if not path.is_file():
        raise MissingFileError(f"no file {path}, which the study file names.")
    return path


def find_subjects(root: Path, pattern: str) -> tuple[str, ...]:
    """Return the labels of the subjects that have a file that fits `pattern`.

    Parameters
    ----------
    root : Path
        Folder of the data set.
    pattern : str
        As in `find_runs`; it must hold `{subject}`.

    Returns
    -------
    subjects : tuple of str
        Sorted, numbers as numbers.

    Raises
    ------
    InputError
        If the pattern does not name the subject.
    MissingFileError
        If nothing fits.
    """
    if "subject" not in placeholders(pattern):
        raise InputError(
            f"pattern {pattern!r} has no {{subject}}, so it finds no subjects. Put "
            "{subject} where their label stands in the path."
        )
    subjects = {labels["subject"] for _, labels in _matches(root, pattern)}
    if not subjects:
        raise MissingFileError(
            f"no file in {root} fits {pattern!r}. Check the folder and the pattern."
        )
    return tuple(sorted(subjects, key=natural))


def path_of(root: Path, pattern: str, subject: str, run: Run | None = None) -> Path:
    """Return the path that `pattern` names for a subject's run.

    Parameters
    ----------
    root : Path
        Folder of the data set.
    pattern : str
        As in `find_runs`. Optional parts are left out if their label is missing; a
        label that the pattern does not ask for is left out too, so that one file can
        serve several runs.
    subject : str
        Label, without 'sub-'.
    run : Run, optional
        None for a file that is not of one run, such as a mask.

    Returns
    -------
    path : Path
        Inside `root` as written; the file itself need not exist. Links are followed
        when it is opened, wherever they lead.

    Raises
    ------
    InputError
        If the pattern would leave `root`, a label has other than letters and digits,
        or the pattern asks for a label that the run does not have.

    Examples
    --------
    >>> pattern = "sub-{subject}[_ses-{session}]_run-{run}_bold.csv"
    >>> path_of(Path("ds"), pattern, "01", Run("", "2")).as_posix()
    'ds/sub-01_run-2_bold.csv'
    """
    labels = {"subject": subject}
    if run is not None:
        labels |= {"session": run.session or "", "task": run.task, "run": run.run}
    labels = {key: label for key, label in labels.items() if label}
    for key, label in labels.items():
        _check_label(key, label)
    filled = ""
    for text, optional in _parts(pattern):
        asked = set(_PLACEHOLDER.findall(text))
        missing = sorted(asked - set(labels))
        if missing and not optional:
            raise InputError(
                f"sub-{subject}, {run or 'no run'}: pattern {pattern!r} asks for "
                f"{', '.join(missing)}, which is not known here. Put that part in "
                "square brackets, or take it out."
            )
        filled += "" if missing else text.format(**labels)
    return Path(root, filled)


def select_runs(runs: Iterable[Run], rule: Rule, *, name: str = "") -> tuple[Run, ...]:
    """Return the runs that `rule` asks for, sorted.

    Parameters
    ----------
    runs : iterable of Run
    rule : mapping of 'session', 'task' or 'run' to a label or several
        A run is taken if it fits every key. An empty rule takes all runs.
    name : str
        Subject, for messages, such as 'sub-01'.

    Raises
    ------
    InputError
        If a key is not known, or a label that the rule lists is not there among the
        runs that fit the rest of the rule: a run is missing.

    Examples
    --------
    >>> runs = [Run("Test", "1"), Run("Train", "10"), Run("Train", "2")]
    >>> [str(run) for run in select_runs(runs, {"task": "Train"})]
    ['task-Train_run-2', 'task-Train_run-10']
    """
    runs = sorted(runs, key=lambda run: run.order)
    wanted = {key: _labels_of(key, rule[key]) for key in rule}
    who = f"{name}: " if name else ""
    for key in sorted(wanted):  # 'run' before 'task': name the narrower label
        rest = {other: wanted[other] for other in wanted if other != key}
        if any(_fits(run, rest) for run in runs):
            _check_there(runs, key, wanted[key], rest, who)
    for key in wanted:
        _check_there(runs, key, wanted[key], {}, who)
    chosen = tuple(run for run in runs if _fits(run, wanted))
    if not chosen:
        raise InputError(
            f"{who}no run fits {dict(rule)}. There are: {', '.join(map(str, runs))}."
        )
    return chosen


def placeholders(pattern: str) -> set[str]:
    """Return which of 'subject', 'session', 'task' and 'run' a pattern names.

    Examples
    --------
    >>> sorted(placeholders("sub-{subject}[_run-{run}].csv"))
    ['run', 'subject']
    """
    return {key for text, _ in _parts(pattern) for key in _PLACEHOLDER.findall(text)}


def _labels_of(key: str, labels: str | Sequence[str]) -> list[str]:
    check_choice(key, "a rule's key", KEYS[1:])
    several = [labels] if isinstance(labels, str) else labels
    if not isinstance(several, list | tuple) or not several:
        raise InputError(
            f"rule {key} must be a label or a list of them, got {labels!r}."
        )
    for label in several:
        if not isinstance(label, str):
            raise InputError(
                f"rule {key} holds {label!r}, which is no text. Labels are text, as "
                f"they stand in file names: write {str(label)!r} in quotes ('01' is "
                "not '1')."
            )
    return list(several)


def _check_there(
    runs: Sequence[Run],
    key: str,
    labels: list[str],
    rest: Mapping[str, list[str]],
    who: str,
) -> None:
    """Raise unless each label stands in a run that fits the rest of the rule."""
    there = {getattr(run, key) or "" for run in runs if _fits(run, rest)}
    missing = [label for label in labels if label not in there]
    if missing:
        known = sorted(there - {""}, key=natural)
        among = ", ".join(f"{k} {' or '.join(v)}" for k, v in rest.items())
        raise InputError(
            f"{who}no {key} {', '.join(missing)}{' among ' + among if among else ''}. "
            f"There are: {', '.join(known) or 'none'}.{nearest(missing[0], known)} Add "
            "the missing files, or change the rule."
        )


def _fits(run: Run, wanted: Mapping[str, list[str]]) -> bool:
    return all(getattr(run, key) in labels for key, labels in wanted.items())


def _without_padding(run: Run) -> tuple:
    return run.session, run.task, run.run.lstrip("0") or bool(run.run)


def _check_label(key: str, label: str) -> None:
    if not isinstance(label, str) or not _LABEL.fullmatch(label):
        raise InputError(
            f"{key} is {label!r}; a label holds only letters and digits, as BIDS "
            f"wants. Give it without a prefix such as 'sub-'."
        )


def _parts(pattern: str) -> list[tuple[str, bool]]:
    """Return the pieces of a pattern, each with whether it is optional."""
    pieces = re.split(r"\[([^\[\]]*)\]", pattern)
    parts = [(text, i % 2 == 1) for i, text in enumerate(pieces)]
    for text, optional in parts:
        names = _PLACEHOLDER.findall(text)
        for name in names:
            check_choice(name, f"a placeholder of pattern {pattern!r}", KEYS)
        if re.search(r"[{}\[\]*?]", _PLACEHOLDER.sub("", text)):
            raise InputError(
                f"pattern {pattern!r} cannot be read at {text!r}: use {{subject}}, "
                "{session}, {task}, {run} and [optional parts], not nested, no * or ?."
            )
        if optional and not names:
            raise InputError(
                f"pattern {pattern!r}: the optional part [{text}] has no placeholder, "
                "so nothing says when to leave it out. Take the brackets away."
            )
    whole = Path("".join(text for text, _ in parts))
    if not whole.name or whole.is_absolute() or ".." in whole.parts:
        raise InputError(
            f"pattern {pattern!r} leaves the data set's folder. Give a path relative "
            "to it, without '..', or choose a root higher up."
        )
    return parts


def _matches(
    root: Path, pattern: str, subject: str = "*"
) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield each path that fits, once, with its labels."""
    if not Path(root).is_dir():
        raise MissingFileError(f"no folder {root}. Check the root of the data set.")
    parts = _parts(pattern)
    regex, seen = _regex(parts, subject), set()
    stars = dict.fromkeys(KEYS, "*") | {"subject": subject}
    optional = [i for i, (_, is_optional) in enumerate(parts) if is_optional]
    for kept in itertools.product((True, False), repeat=len(optional)):
        left_out = {i for i, keep in zip(optional, kept, strict=True) if not keep}
        texts = [text for i, (text, _) in enumerate(parts) if i not in left_out]
        for path in sorted(Path(root).glob("".join(texts).format(**stars))):
            match = regex.fullmatch(path.relative_to(root).as_posix())
            if match and path not in seen:
                seen.add(path)
                yield path, {k: v for k, v in match.groupdict().items() if v}


def _regex(parts: list[tuple[str, bool]], subject: str) -> re.Pattern[str]:
    seen: set[str] = set()
    label = dict.fromkeys(KEYS, _LABEL.pattern)
    label["subject"] = _LABEL.pattern if subject == "*" else subject

    def one(match: re.Match[str]) -> str:
        key = match[1]
        again = key in seen
        seen.add(key)
        return f"(?P={key})" if again else f"(?P<{key}>{label[key]})"

    whole = ""
    for text, optional in parts:
        escaped = re.sub(r"\\\{(\w+)\\\}", one, re.escape(text))
        whole += f"(?:{escaped})?" if optional else escaped
    return re.compile(whole)


def _under(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _nothing_found(root: Path, pattern: str, subject: str) -> str:
    expected = pattern.replace("{subject}", subject)
    message = f"no file for sub-{subject} in {root}: expected {expected}."
    if "subject" in placeholders(pattern):
        others = sorted({s["subject"] for _, s in _matches(root, pattern)}, key=natural)
        if others:
            return f"{message} There are files for: {', '.join(others)}."
    return f"{message} Check the folder and the pattern."
