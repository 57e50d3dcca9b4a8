"""What every module that draws a figure defines, and what all of them share: `FigureModule`, `Result`, `run_tasks`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from ..workers import Workers
from .claims import Claim
from .output import Figure, Folder, Table, write_files
from .runs import Outcome, run_all

__all__ = ["FigureModule", "Result", "Task", "run_tasks", "write_result"]


Settings = TypeVar("Settings")


class Task(NamedTuple, Generic[Settings]):
    """One run of a figure."""

    key: tuple[Any, ...]  # that of its outcome in `Result`; it ends in the seed of data and start
    settings: Settings


class Result(NamedTuple):
    """All runs of a figure: the outcome of each by its key, which ends in the seed."""

    settings: Any
    runs: dict[Any, Outcome]

    def over_seeds(self, *key: Any) -> list[Outcome]:
        """Return the outcomes of one key, for the seeds of the settings that it was run for."""
        return [self.runs[*key, seed] for seed in self.settings.seeds if (*key, seed) in self.runs]

    def first(self, *key: Any) -> Outcome:
        """Return the outcome of one key for the first seed, the one that is drawn."""
        return self.runs[*key, self.settings.seeds[0]]


class FigureModule(Protocol):
    """A module that draws one figure.

    Every run is a *task*: a tuple or frozen dataclass whose ``repr`` states everything that the run depends on. A
    function of the module, often ``train_one``, turns it into its *outcome*, a dictionary of arrays and numbers. A
    finished run is stored in a file named by a digest of its task and of the code, so an interrupted figure resumes and
    an unchanged one is drawn again in seconds.

    ``Settings`` is a frozen dataclass of everything that the numbers depend on, with the figure's own values as
    defaults. Each of its ``seeds`` gives a sample of the data and a start: claims are about all seeds, the figure shows
    the first.
    """

    Settings: type

    def run(self, settings: Any = None, *, folder: Folder = "figures", workers: Workers = None) -> Result:
        """Return the outcome of every run, computed now or read from the subfolder ``.runs`` of a folder.

        `workers` are those of `rdae_ref.experiments.runs.run_all`; figures of handwritten digits also take ``source``,
        where the digits are (see `rdae_ref.data.digits.load_digits`).
        """

    def draw(self, result: Any) -> Figure:
        """Draw the figure of what `run` returned."""

    def claims(self, result: Any) -> list[Claim]:
        """Compare sentences of the paper with quantities that test them, measured over all seeds."""

    def write(self, result: Any, folder: Folder, *, all_files: bool = False) -> Sequence[Claim]:
        """Write PNG, CSV and JSON (with `all_files` SVG and long tables, too), and return the claims."""


def run_tasks(
    function: Callable[[Any], dict[str, Any]],
    tasks: Mapping[Any, Any],
    folder: Folder,
    workers: Workers,
    description: str,
) -> dict[Any, Outcome]:
    """Return the outcome of each task under its key; finished runs are read from the subfolder ``.runs``."""
    kept = Path(folder) / ".runs"
    outcomes = run_all(function, [*tasks.values()], folder=kept, workers=workers, description=description)
    return dict(zip(tasks, outcomes, strict=True))


def write_result(
    result: Result,
    folder: Folder,
    name: str,
    claims: Sequence[Claim],
    figure: Figure,
    tables: Mapping[str, Table],
    *,
    units: str | None = "bits",
    seed: bool = True,
    figures: Mapping[str, Figure] | None = None,
    **more: Any,
) -> Sequence[Claim]:
    """Write a result as `write_files` does, with its settings, the units of rates, and the seed that is drawn."""
    settings = asdict(result.settings) | ({"units": units} if units else {})
    drawn = {"seed": result.settings.seeds[0]} if seed else {}
    pictures = {name: figure, **(figures or {})}
    return write_files(folder, claims, settings=settings, figures=pictures, tables=tables, **drawn, **more)
