"""The progress of a fit, on a terminal: one line for each stage, rewritten while the stage lasts."""

import shutil
import sys
import time

from ..optimize import Step

__all__ = ["Lines", "progress_lines"]

PAUSE = 0.5  # seconds between two lines


def progress_lines(max_iter: int, mu: float, approach: int) -> "Lines | None":
    """Return a callback that writes to stderr, or None where that is not a terminal."""
    # A stage takes up to `max_iter` iterations, or `approach` if its trade-off exceeds the final `mu`.
    return Lines(max_iter, mu, min(approach, max_iter)) if sys.stderr.isatty() else None


class Lines:
    """A callback. Each stage has a trade-off of its own; its last line stays."""

    def __init__(self, max_iter: int, final: float, approach: int) -> None:
        self.max_iter, self.final, self.approach = max_iter, final, approach
        self.stage, self.mu, self.first, self.begin, self.shown = 0, -1.0, 0, 0.0, 0.0
        self.step: Step | None = None
        self.width = 0

    def __call__(self, step: Step) -> None:
        mu, now = getattr(step.objective, "mu", self.mu), time.monotonic()
        if self.step is None or mu != self.mu:
            self.end()
            self.stage, self.mu, self.first, self.begin, self.shown = self.stage + 1, mu, step.iteration, now, now
        self.step = step
        if now - self.shown >= PAUSE:
            self.shown = now
            done = step.iteration - self.first
            most = self.approach if self.mu > 1.01 * self.final else self.max_iter
            left = (now - self.begin) / done * max(most - done, 0) if done else 0.0
            self.write(
                f"  up to {left:.0f} s left in this stage" if left < 200 else f"  up to {left / 60:.0f} min left"
            )

    def write(self, left: str = "") -> None:
        """Write the line again."""
        step = self.step
        assert step is not None
        mu = f"  mu {self.mu:.4g}" if self.mu >= 0 else ""
        of = getattr(step.objective, "distortion", None)
        distortion = "" if of is None else f"  D {of(step.parameters):.5g}"
        line = f"stage {self.stage}{mu}  iteration {step.iteration}  L {step.value:.5g}{distortion}{left}"
        line = line[: shutil.get_terminal_size().columns - 1]
        print(f"\r{line:{self.width}}", end="", file=sys.stderr, flush=True)
        self.width = len(line)

    def end(self) -> None:
        """Write the last line of a stage."""
        if self.step is not None:
            self.write()
            print(file=sys.stderr)
        self.step, self.width = None, 0
