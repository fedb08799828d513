"""The command `brain2music`: parses, calls one function, returns."""

import logging
import sys
import traceback
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from . import __version__
from .core.checkpoints import convert_weights
from .core.checks import InputError
from .demo import make_demo
from .doctor.examine import MINUTES, examine
from .export import export_captions, export_clips
from .features.catalogue import every_space
from .features.elsewhere import Elsewhere
from .features.models import model_named
from .features.windows import Windows
from .init import KNOWN, write_new_study
from .reproduction.reproduce import STUDY
from .reproduction.reproduce import reproduce as reproduce_study
from .study import load_study
from .viewer import OwnSurfaces, serve_study, write_static
from .workflow.check import check_study
from .workflow.paper_figures import draw_paper
from .workflow.paper_pages import Print, width_of
from .workflow.pipeline import redraw
from .workflow.pipeline import run as run_study
from .workflow.result import Result
from .workflow.session import tick

app = typer.Typer(
    help="Encoding models of music in the brain: from scans and sound to a report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
features_app = typer.Typer(help="Feature spaces.", no_args_is_help=True)
weights_app = typer.Typer(help="Weights of networks.", no_args_is_help=True)
app.add_typer(features_app, name="features")
app.add_typer(weights_app, name="weights")
screen = Console(stderr=True)

StudyFile = Annotated[Path, typer.Argument(help="The study file (TOML).")]
Out = Annotated[Path | None, typer.Option(help="Folder of the results.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bars.")]
Inflated = Annotated[
    tuple[str, str] | None,
    typer.Option(help="Your own surfaces, left and right; {subject} may be in it."),
]
Flat = Annotated[tuple[str, str] | None, typer.Option(help="The same, laid flat.")]
White = Annotated[
    tuple[str, str] | None,
    typer.Option(help="The same as anatomy has them (white): their folds are shaded."),
]


class Bars:
    """Progress bars, one line per piece of work."""

    def __init__(self, quiet: bool) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self.bars = Progress(*columns, console=screen, disable=quiet)
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "Bars":
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def __call__(self, text: str, done: int, total: int) -> None:
        """Show that `done` of `total` is done of the work named `text`."""
        if text not in self.tasks:
            self.tasks[text] = self.bars.add_task(text, total=total)
        self.bars.update(self.tasks[text], completed=done)


@app.command()
def demo(
    out: Out = None,
    full: Annotated[
        bool, typer.Option("--full", help="With its own synthetic sound (longer).")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the simulation.")] = 0,
    quiet: Quiet = False,
) -> None:
    """Run a simulated study on a real design: its planted truth comes back."""
    with Bars(quiet) as bars:
        result = make_demo(out or Path("demo"), seed=seed, full=full, progress=bars)
    _say_done(result)


@app.command()
def run(
    study: StudyFile,
    out: Out = None,
    subject: Annotated[
        list[str] | None, typer.Option(help="Only this subject (may be repeated).")
    ] = None,
    stage: Annotated[
        str, typer.Option(help="Last stage to make, such as encoding.")
    ] = "report",
    quiet: Quiet = False,
) -> None:
    """Run a study; what is saved and still true is not made again."""
    read = load_study(study)
    with Bars(quiet) as bars:
        result = run_study(
            read,
            out or Path("results") / study.stem,
            subjects=subject,
            stage=stage,
            progress=bars,
        )
    _say_done(result)


@app.command()
def init(
    name: Annotated[str, typer.Argument(help=f"One of {', '.join(KNOWN)}.")],
    folder: Annotated[Path, typer.Argument(help="Where to write it.")] = Path(),
    root: Annotated[
        str | None, typer.Option(help="Folder of the recordings, from the study file.")
    ] = None,
) -> None:
    """Write a commented study file, and a list of what the study needs."""
    study = write_new_study(name, folder, root)
    for path in (study.with_name(file) for file in KNOWN[name].written):
        typer.echo(f"written: {path}")
    typer.echo(f"what is there and what is missing: brain2music check {study}")


@app.command()
def reproduce(
    folder: Annotated[
        Path, typer.Argument(help="With a study file, as init ds003720 writes it.")
    ],
    study: Annotated[str, typer.Option(help="Name of the study file.")] = STUDY,
    sweep: Annotated[
        list[str] | None,
        typer.Option(help="Only this sweep (may be repeated); none: 'none'."),
    ] = None,
    subject: Annotated[
        list[str] | None, typer.Option(help="Only this subject (may be repeated).")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Run the paper's study; write its numbers and figures beside ours, on one page."""
    with Bars(quiet) as bars:
        done = reproduce_study(
            folder,
            study=study,
            sweeps=sweep,
            subjects=subject,
            progress=bars,
        )
    ours = int(done.numbers["ours"].notna().sum())
    typer.echo(f"{ours} of {len(done.numbers)} published numbers have one of ours.")
    typer.echo(f"page: {done.page}")


@app.command()
def check(
    study: StudyFile,
    timed: Annotated[
        bool,
        typer.Option("--time", help="Fit samples of voxels, to tell the time."),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Read everything, fit nothing; say what will be computed, and at what cost."""
    read = load_study(study)
    with Bars(quiet or not timed) as bars:
        checked = check_study(read, timed=timed, ticker=partial(tick, bars))
    typer.echo("\n".join(checked.lines))
    if checked.problems:
        typer.echo("\nIt cannot run yet:", err=True)
        typer.echo("\n".join(f"- {text}" for text in checked.problems), err=True)
        raise typer.Exit(2)


@app.command()
def doctor(
    study: StudyFile,
    out: Out = None,
    minutes: Annotated[float, typer.Option(help="What it may take.")] = MINUTES,
    seed: Annotated[int, typer.Option(help="Of the sample and the noise.")] = 0,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Only this kind of checks, such as shift (may be repeated)."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Check a study on its own data: timing, leaks, geometry. 3 if a check fails."""
    read = load_study(study)
    place = out or Path("results") / study.stem
    with Bars(quiet) as bars:
        verdict = examine(
            read,
            place,
            minutes=minutes,
            seed=seed,
            only=_words(only) or (),
            progress=bars,
        )
    typer.echo(verdict)
    typer.echo(f"verdict: {place / 'doctor' / 'index.html'}")
    raise typer.Exit(verdict.exit_code)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a study's results.")],
) -> None:
    """Draw the figures and the page again from what a run has saved."""
    _say_done(redraw(folder))


@app.command()
def figures(  # noqa: PLR0913 - each is an option of the command line
    folder: Annotated[Path, typer.Argument(help="Folder of a study's results.")],
    only: Annotated[
        list[str] | None, typer.Option(help="Only this figure (may be repeated).")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where to write; DIR/paper_figures if not.")
    ] = None,
    format: Annotated[
        list[str] | None, typer.Option(help="pdf, svg or png (may be repeated).")
    ] = None,
    width: Annotated[
        str | None, typer.Option(help="single, double or millimetres.")
    ] = None,
    dpi: Annotated[int, typer.Option(help="Of PNG: 300 to 600.")] = 300,
    roi: Annotated[
        list[str] | None,
        typer.Option(help="Outline this ROI on maps (may be repeated); all if not."),
    ] = None,
    inflated: Inflated = None,
    flat: Flat = None,
    white: White = None,
    quiet: Quiet = False,
) -> None:
    """Draw every figure of the paper that the results allow, its numbers beside it."""
    how = Print(width_of(width), _words(format) or Print().formats, dpi)
    with Bars(quiet) as bars:
        drawn = draw_paper(
            folder,
            only=_words(only),
            folder=out,
            how=how,
            surfaces=_own(inflated, flat, white),
            rois=roi or (),
            progress=bars,
        )
    for name, paths in drawn.written.items():
        typer.echo(f"{name}: {len(paths)} files")
    for name, why in drawn.missing.items():
        typer.echo(f"not drawn: {name} ({why})")
    typer.echo(f"figures: {drawn.folder}")


def _words(given: list[str] | None) -> tuple[str, ...]:
    """Return what an option was given: words with commas, or once for each."""
    words = [word.strip() for one in given or () for word in one.split(",")]
    return tuple(dict.fromkeys(word for word in words if word))


@app.command()
def view(
    folder: Annotated[Path, typer.Argument(help="Folder of a study's results.")],
    static: Annotated[
        Path | None, typer.Option(help="Write a folder to open or pass on instead.")
    ] = None,
    study: Annotated[
        Path | None, typer.Option(help="The study file, for the sound of its clips.")
    ] = None,
    no_sound: Annotated[
        bool, typer.Option("--no-sound", help="Names of clips alone.")
    ] = False,
    inflated: Inflated = None,
    flat: Flat = None,
    white: White = None,
    port: Annotated[int, typer.Option(help="0 takes a free one.")] = 0,
) -> None:
    """Show results on the cortex in the browser: click a vertex, hear its clips."""
    surfaces = _own(inflated, flat, white)
    if static is not None:
        written = write_static(
            folder, static, study_file=study, sound=not no_sound, surfaces=surfaces
        )
        typer.echo("\n".join(written.lines))
        return
    with serve_study(
        folder, study_file=study, sound=not no_sound, surfaces=surfaces, port=port
    ) as server:
        typer.echo(f"{server.url} (on this machine alone; Ctrl+C ends it)")
        with suppress(KeyboardInterrupt):
            server.serve_forever()


def _own(
    inflated: tuple[str, str] | None,
    flat: tuple[str, str] | None,
    white: tuple[str, str] | None,
) -> OwnSurfaces | None:
    """Return the surfaces that a user gives."""
    if inflated is not None:
        return OwnSurfaces(inflated, flat, white)
    for option, given in (("--flat", flat), ("--white", white)):
        if given is not None:
            raise InputError(f"{option} needs --inflated: surfaces of these vertices.")
    return None


@features_app.command("list")
def list_features() -> None:
    """List every feature space that a study can name, and whose it is."""
    for row in every_space().to_dict("records"):
        name, source = row.pop("name"), row.pop("source")
        typer.echo(f"{name} ({source})" if source else name)
        cells = [
            f"  {key}: {_shown(value)}" for key, value in row.items() if value != ""
        ]
        typer.echo("\n".join(cells))


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@features_app.command("export")
def export(  # noqa: PLR0913 - each is an option of the command line
    table: Annotated[
        Path, typer.Argument(help="Clips (clip, path, start_s, end_s), or captions.")
    ],
    out: Annotated[Path, typer.Argument(help="The feature file to write (.npz).")],
    model: Annotated[str, typer.Option(help="Such as muq-mulan.")],
    python: Annotated[Path, typer.Option(help="The Python that has its package.")],
    captions: Annotated[
        bool, typer.Option("--captions", help="The table holds captions.")
    ] = False,
    id_column: Annotated[str, typer.Option(help="Of captions.")] = "clip",
    text_column: Annotated[str, typer.Option(help="Of captions.")] = "caption",
    checkpoint: Annotated[
        str | None, typer.Option(help="Folder or id, if not the catalogue's.")
    ] = None,
    layer: Annotated[
        list[int] | None, typer.Option(help="Of muq (may be repeated).")
    ] = None,
    window: Annotated[float | None, typer.Option(help="Length, in seconds.")] = None,
    step: Annotated[float | None, typer.Option(help="Step, in seconds.")] = None,
    causal: Annotated[
        bool, typer.Option("--causal", help="Windows look back only.")
    ] = False,
    fade: Annotated[float, typer.Option(help="Fades in and out, in seconds.")] = 0.0,
    rms: Annotated[
        float | None, typer.Option(help="Level of each clip, 1 is full scale.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    quiet: Quiet = False,
) -> None:
    """Write features of a network that runs in another Python, such as MuQ-MuLan."""
    opened = Elsewhere(
        model, python=python, checkpoint=checkpoint, layers=layer, device=device
    )
    with opened as network, Bars(quiet) as bars:
        if captions:
            written_to = export_captions(
                table,
                out,
                network=network,
                id_column=id_column,
                text_column=text_column,
            )
            typer.echo(written_to)
            return
        known = model_named(model).windows
        windows = Windows(window or known.window_s, step or known.step_s, causal)
        written, notes = export_clips(
            table,
            out,
            network=network,
            windows=windows,
            fade_s=fade,
            rms=rms,
            progress=bars,
        )
    typer.echo("\n".join([*notes, *map(str, written)]))


@weights_app.command("convert")
def convert(
    folder: Annotated[Path, typer.Argument(help="Folder of a checkpoint.")],
) -> None:
    """Write a checkpoint's .bin weights as safetensors, the only kind that is read."""
    typer.echo(convert_weights(folder))


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"brain2music {__version__}")
        raise typer.Exit


@app.callback()
def settings(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Version."),
    ] = False,
) -> None:
    """Set up logging for every command."""
    del version
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")


def main() -> None:
    """Run the command line: 2 for a user's mistake, 1 for a fault of ours."""
    try:
        app()
    except InputError as error:
        typer.echo(f"brain2music: {error}", err=True)
        sys.exit(2)
    except Exception as error:
        traceback.print_exc()
        typer.echo(
            f"brain2music: this is a fault of ours, not of your data: {error!r}. "
            "Please report it with the lines above.",
            err=True,
        )
        sys.exit(1)


def _say_done(result: Result) -> None:
    if result.reused:
        typer.echo(f"found as they were: {', '.join(result.reused)}")
    typer.echo(f"made: {', '.join(result.made) or 'nothing'}")
    where = result.report if result.report.exists() else result.out
    typer.echo(f"results: {where}")
