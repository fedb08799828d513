"""The command `brain2music`: parses, calls one function, returns."""

import logging
import sys
import traceback
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
from .study import load_study
from .workflow.check import check_study
from .workflow.pipeline import redraw
from .workflow.pipeline import run as run_study
from .workflow.result import Result

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
def check(study: StudyFile) -> None:
    """Read everything, fit nothing; say what will be computed, and at what cost."""
    checked = check_study(load_study(study))
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
    quiet: Quiet = False,
) -> None:
    """Check a study on its own data: timing, leaks, geometry. 3 if a check fails."""
    read = load_study(study)
    place = out or Path("results") / study.stem
    with Bars(quiet) as bars:
        verdict = examine(read, place, minutes=minutes, seed=seed, progress=bars)
    typer.echo(verdict)
    typer.echo(f"verdict: {place / 'doctor' / 'index.html'}")
    raise typer.Exit(verdict.exit_code)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Folder of a study's results.")],
) -> None:
    """Draw the figures and the page again from what a run has saved."""
    _say_done(redraw(folder))


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
