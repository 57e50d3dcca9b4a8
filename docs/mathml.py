"""Write formulas as MathML, which browsers show without scripts and without a network. Docutils converts them."""

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)


# The two arguments of a fraction, where they are single digits without braces.
DIGITS = re.compile(r"(\\[dt]?frac)(\d)(\d)")
# A thin space before the name of an operator, and after it unless a bracket follows.
BEFORE = re.compile(r"(</(?:mi|mn|mfrac|msub|msup|msubsup)>|\)</mo>)\s*(?=<mi[^>]*>\w{2,}</mi>\s*<mo>&ApplyFunction;)")
AFTER = re.compile(r"(&ApplyFunction;</mo>|<msub>\s*<mi>log</mi>\s*<m\w>\w+</m\w>\s*</msub>)\s*(?=<m[^o])(?!<mspace)")
# A bar without a size: browsers would stretch some bars and put space around all of them.
BAR = re.compile(r"<mo(?: class=.math\w+.| stretchy=.false.)?>([|‖])</mo>")
PLAIN = r"<mo stretchy='false' lspace='0' rspace='0'>\1</mo>"
# A letter with a hat and an index, which Docutils puts below the letter.
HAT = re.compile(
    r"<munderover>\s*(<mi>\w</mi>)\s*(<m[in]>\w+</m[in]>|<mrow>(?:(?!</?mrow>).)*</mrow>)\s*(<mo[^>]*>.</mo>)\s*</munderover>",
    re.DOTALL,
)
INDEXED = r'<msub><mover accent="true">\1\3</mover>\2</msub>'
THIN = r"\1<mspace width='0.17em'/>"


def as_mathml(tex: str, *, block: bool) -> str:
    r"""Convert a formula, with four rules of TeX that Docutils lacks.

    ``\frac12 x`` is a half, not 12 over x; the index of ``\hat x_i`` is beside it; ``\ln\operatorname{tr} K`` is three
    words; and a bar is as high as the line.
    """
    mathml = HAT.sub(INDEXED, tex2mathml(DIGITS.sub(r"\1{\2}{\3}", tex), as_block=block))
    if r"\left" not in tex:
        mathml = BAR.sub(PLAIN, mathml)
    return AFTER.sub(THIN, BEFORE.sub(THIN, mathml))


def visit(self, node: nodes.math | nodes.math_block) -> None:
    """Write one formula, inline or displayed."""
    block = isinstance(node, nodes.math_block)
    try:
        mathml = as_mathml(node.astext(), block=block)
    except MathError as error:
        logger.warning("no formula: %s", error, location=node)
    else:
        self.body.append(f'<div class="math">{mathml}</div>' if block else mathml)
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer; ``html_math_renderer = "mathml"`` chooses it."""
    app.add_html_math_renderer("mathml", (visit, None), (visit, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
