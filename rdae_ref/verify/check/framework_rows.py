"""The package compared with automatic differentiation, judged by fifty digits."""

import itertools
from typing import Any, NamedTuple

from ...files import json_ready
from .rows import worst

__all__ = ["OracleCheck", "oracle_check"]


class OracleCheck(NamedTuple):
    """The package compared with automatic differentiation; ``str`` is a table."""

    frameworks: tuple[str, ...]  # those that are installed
    missing: tuple[str, ...]  # for each of the others, the command that installs it
    agreement: list[Any]  # rows against the package, on full-rank Gram matrices
    degenerate: list[Any]  # rows of package and frameworks against 50 digits: α < 1, singular matrices, kinks

    @property
    def passed(self) -> bool:
        """Whether a framework is installed, all agree to 1e-10 at full rank, and the package is right elsewhere."""
        from ..oracles import wrong  # noqa: PLC0415  # only when it is asked for

        agree = bool(self.frameworks) and all(row.verdict == "right" for row in self.agreement)
        return agree and not any(row.framework == "rdae_ref" for row in wrong(self.degenerate))

    def __str__(self) -> str:
        from ..oracles import as_table, wrong  # noqa: PLC0415  # only when it is asked for

        failures = len(wrong(self.degenerate))
        return "\n\n".join(
            [
                "Worst relative difference to the package, full-rank Gram matrices, α from 1/2 to 10, all units:",
                self._agreement_table(),
                f"Where they differ, against 50 digits (wrong or NaN: {failures} of {len(self.degenerate)}):",
                as_table(self.degenerate),
                *self.missing,
            ]
        )

    def _agreement_table(self) -> str:
        models = dict.fromkeys(row.case.split()[0] for row in self.agreement)
        lines = [f"{'':26}" + "".join(f"{framework:>10}" for framework in self.frameworks)]
        for model, field in itertools.product(models, ("value", *"WcAb")):
            name = field if field == "value" else f"d{field}"
            rows = [row for row in self.agreement if row.case.split()[0] == model]
            errors = [worst(getattr(r, field) for r in rows if r.framework == f) for f in self.frameworks]
            lines.append(f"{model:20}{name:6}" + "".join(f"{error:10.0e}" for error in errors))
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return the tables and ``missing`` for a JSON file, NaN as None."""
        tables = {name: [row._asdict() for row in getattr(self, name)] for name in ("agreement", "degenerate")}
        return json_ready(tables | {"missing": self.missing})


def oracle_check() -> OracleCheck:
    """Compare (25) and the other models with each framework that is installed, and degenerate cases with 50 digits."""
    from .. import oracles  # noqa: PLC0415  # only when it is asked for

    there, missing = [], []
    for framework in oracles.FRAMEWORKS:
        try:
            oracles.load(framework)
            there.append(framework)
        except ImportError as error:
            missing.append(str(error))
    return OracleCheck(tuple(there), tuple(missing), oracles.agreement(there), oracles.degenerate_cases(there))
