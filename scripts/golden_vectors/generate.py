"""Computes the golden vectors from the definitions at fifty digits; nothing here calls the code that they test."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import mpmath
import numpy as np

from rdae_ref._validation import Array
from rdae_ref.autoencoder import Parameters
from rdae_ref.models import IRMAEParameters, Layer, VAEParameters
from rdae_ref.verify import vectors
from rdae_ref.verify.oracles import mpmath_oracle as fifty

from . import closed_forms as closed
from . import points as at
from .points import Inputs, Point

__all__ = ["FILES", "as_text", "layout", "write"]

FOLDER = Path(vectors.__file__).parent
SIGNIFICANT = 17  # enough to tell any two float64 apart
RESIDUE = 1e-50  # an entropy or a slope below it is an exact zero, of which the arithmetic leaves 1e-70

FLOAT64 = ("1e-13", "rounding of float64, magnified by the condition of a small problem")
NEAR_ONE = ("1e-12", "1/(1 − α) = −100 magnifies the rounding of the eigenvalues")
LOW_ORDER = ("1e-12", "for α < 1 the power of the smallest eigenvalues magnifies their rounding")
ITERATED = ("1e-8", "the end of an iteration, which is to be run to bounds within 1e-12 bits")
FLAT = ("1e-6", "where an iteration ends that lowers an objective, which is flat at its minimum")
CONVENTIONS = (
    "Numbers are decimal strings ('inf' is infinity). Arrays are flat lists in row-major order with their shape; "
    "samples are in rows. An input is the float64 nearest to its string; an output belongs to exactly these inputs "
    "and is correct to 17 digits. The tolerance is relative to the largest element of an output, absolute if all of "
    "them are zero."
)


class File(NamedTuple):
    """What becomes one file: a formula, the points, and the function of fifty digits that answers."""

    equation: str
    statement: str
    points: Callable[[], Iterator[Point]]
    answer: Callable[..., Inputs]
    units: str = "units of the logarithm of the given base: bits for 2, nats for e"
    gradient_form: str = "none"
    tolerance: tuple[str, str] | None = None  # with its reason, where the order α does not decide it


def as_text(name: str) -> str:
    """Return the content of one file, a key of `FILES`."""
    file = FILES[name]
    cases = [_case(point, inputs, file.answer(**inputs), file.tolerance) for point, inputs in file.points()]
    content = {
        "name": name,
        "equation": file.equation,
        "statement": file.statement,
        "units": file.units,
        "gradient_form": file.gradient_form,
        "conventions": CONVENTIONS,
        "cases": cases,
    }
    return layout(content) + "\n"


def layout(value: Any, indent: str = "\n ") -> str:
    """Return JSON with each array on a line of its own; numbers and names of one case share lines."""
    if isinstance(value, list):
        return "[" + ",".join(indent + layout(case, indent + " ") for case in value) + "]"
    if not isinstance(value, dict) or set(value) == {"shape", "values"}:
        return json.dumps(value, ensure_ascii=False)
    text, shares = "", True
    for key, part in value.items():
        plain = isinstance(part, str) and indent != "\n "
        gap = "" if not text else ", " if plain and shares else "," + indent
        text, shares = f"{text}{gap}{json.dumps(key)}: {layout(part, indent + ' ')}", plain
    return "{" + text + "}"


def write(folder: Path = FOLDER, names: Iterable[str] | None = None) -> None:
    """Write all files, or those named."""
    for name in FILES if names is None else names:
        (folder / f"{name}.json").write_text(as_text(name), encoding="utf-8")


def _case(name: str, inputs: Inputs, outputs: Inputs, fixed: tuple[str, str] | None) -> dict[str, Any]:
    alpha = inputs.get("alpha", 2.0)
    by_order = LOW_ORDER if alpha < 1 else NEAR_ONE if 0 < abs(alpha - 1) < 0.1 else FLOAT64
    tolerance, reason = fixed or by_order
    return {
        "name": name,
        "inputs": {key: _encoded(value, _shortest) for key, value in inputs.items()},
        "outputs": {key: _encoded(value, _seventeen) for key, value in outputs.items()},
        "tolerance": tolerance,
        "reason": reason,
    }


def _encoded(value: Any, number: Callable[[Any], str]) -> Any:
    if isinstance(value, str):
        return value
    if not np.ndim(value):
        return number(value)
    return {"shape": list(np.shape(value)), "values": [number(element) for element in np.ravel(value)]}


def _shortest(value: float) -> str:
    return repr(float(value))


def _seventeen(value: Any) -> str:
    return "inf" if value == mpmath.inf else str(mpmath.nstr(value, SIGNIFICANT, strip_zeros=False))


def _cleaned(answer: Callable[..., Inputs]) -> Callable[..., Inputs]:
    return lambda **inputs: {key: _clean(value) for key, value in answer(**inputs).items()}


def _entropy_of_pair(A: Array, B: Array, **order: float) -> Inputs:
    return {
        "conditional_entropy": _clean(fifty.conditional_entropy(A, B, **order)),
        "mutual_information": _clean(fifty.mutual_information(A, B, **order)),
    }


def _joint_gradient(A: Array, B: Array, **order: float) -> Inputs:
    G = fifty.symmetric_gradient(lambda matrix: fifty.joint_entropy(A, matrix, **order), B)
    return {"dS_dB": _clean(G)}


def _pullback(X: Array, sigma: float, **order: float) -> Inputs:
    (slope,) = fifty.gradient(lambda Y: fifty.renyi_entropy(fifty.gaussian_gram(Y[0], sigma), **order), (X,))
    return {"dS_dY": _clean(slope)}


def _entropy_slope(parameter: str) -> Callable[..., Inputs]:
    """Answer with the derivative of both entropies by one parameter."""

    def answer(X: Array, W: Array, c: Array, A: Array, b: Array, **settings: Any) -> Inputs:
        point = Parameters(W, c, A, b)

        def slope(which: int) -> Any:
            def entropy(moved: Any) -> Any:
                return fifty.entropies(point._replace(**{parameter: moved[0]}), X, **settings)[which]

            return _clean(fifty.gradient(entropy, (getattr(point, parameter),))[0])

        return {f"dS_output_d{parameter}": slope(1), f"dS_joint_d{parameter}": slope(0)}

    return answer


def _distortion_slope(parameter: str) -> Callable[..., Inputs]:
    """Answer with the derivative of D_emp by one parameter."""

    def answer(X: Array, W: Array, c: Array, A: Array, b: Array, activation: str) -> Inputs:
        point = Parameters(W, c, A, b)

        def distortion(moved: Any) -> Any:
            outputs = fifty.forward(point._replace(**{parameter: moved[0]}), X, activation)
            return fifty.distortion(X, outputs)

        (slope,) = fifty.gradient(distortion, (getattr(point, parameter),))
        return {f"dD_d{parameter}": _clean(slope)}

    return answer


def _model(name: str) -> Callable[..., Inputs]:
    """Answer with an objective and its gradient."""

    def answer(X: Array, W: Array, c: Array, A: Array, b: Array, **settings: Any) -> Inputs:
        def objective(parameters: Any) -> Any:
            return fifty.MODELS[name](parameters, X, **settings)

        point = Parameters(W, c, A, b)
        slopes = fifty.gradient(objective, point)
        return {"L": objective(point), **{f"dL_d{key}": _clean(slopes._asdict()[key]) for key in "WcAb"}}

    return answer


def _nested_model(name: str, kind: Any) -> Callable[..., Inputs]:
    """Answer with an objective and its gradient, the parameters being named as in ``encoder[0].W``."""

    def answer(X: Array, **inputs: Any) -> Inputs:
        arrays = {key: array for key, array in inputs.items() if key.startswith(kind._fields)}
        settings = {key: value for key, value in inputs.items() if key not in arrays}

        def objective(moved: tuple[Any, ...]) -> Any:
            return fifty.MODELS[name](_nested(kind, dict(zip(arrays, moved, strict=True))), X, **settings)

        point = tuple(arrays.values())
        slopes = zip(arrays, fifty.gradient(objective, point), strict=True)
        return {"L": objective(point), **{f"dL_d{key}": _clean(slope) for key, slope in slopes}}

    return answer


def _nested(kind: Any, arrays: Inputs) -> Any:
    """Return parameters from their named arrays, in which W and b of a layer follow each other."""

    def part(field: str) -> tuple[Any, ...]:
        found = [array for key, array in arrays.items() if key.startswith(field)]
        return tuple(found) if field == "linear" else tuple(map(Layer, found[::2], found[1::2]))

    return kind(*map(part, kind._fields))


@mpmath.mp.workdps(fifty.DIGITS)
def _constrained_optimum(X: Array, D: float, sigma_x: float, sigma_xhat: float, **order: float) -> Inputs:
    """Solve (14) for X = ∓1: the outputs are ∓t, and S(K_X | K_X̂) falls with t, so that t = 1 − sqrt(D)."""

    def best(budget: Any) -> Any:
        outputs = fifty.exact(X) * (1 - mpmath.sqrt(budget))
        K_X, K = fifty.gaussian_gram(X, sigma_x), fifty.gaussian_gram(outputs, sigma_xhat)
        return fifty.conditional_entropy(K_X, K, **order)

    budget, h = fifty.exact(D), mpmath.mpf(fifty.STEP)
    multiplier = (best(budget + h) - best(budget - h)) / (2 * h)
    return {"conditional_entropy": best(budget), "t": 1 - mpmath.sqrt(budget), "mu": multiplier}


def _clean(numbers: Any) -> Any:
    return np.frompyfunc(lambda number: number if abs(number) > RESIDUE else mpmath.mpf(0), 1, 1)(numbers)


SLOPES = {
    "17": ("A", "∂S/∂A = −4 (A Ẑᵀ) L_P Ẑ"),
    "18": ("b", "∂S/∂b = 0"),
    "19": ("W", "∂S/∂W = −4 [(L_P Ẑ Aᵀ A) ∘ G′]ᵀ X"),
    "20": ("c", "∂S/∂c = −4 [(L_P Ẑ Aᵀ A) ∘ G′]ᵀ 1"),
}
NETWORK = "Z = X Wᵀ + 1 cᵀ, Ẑ = g(Z), G′ = g′(Z), X̂ = Ẑ Aᵀ + 1 bᵀ"
GRAPHS = (
    f"{NETWORK}; K_X, K_X̂ by (11) with sigma_x, sigma_xhat; P = ∂S_α(K_X̂)/∂K_X̂ ∘ K_X̂ / (2 sigma_xhat²) with (15), "
    "Q = ∂S_α(N K_X∘K_X̂)/∂K_X̂ ∘ K_X̂ / (2 sigma_xhat²) with (16), L_P = diag(P 1) − P"
)
DISTORTION_SLOPES = {
    "21": ("A", "∂D/∂A = −(2/N) (X − X̂)ᵀ Ẑ"),
    "22": ("b", "∂D/∂b = −(2/N) (X − X̂)ᵀ 1"),
    "23": ("W", "∂D/∂W = −(2/N) [((X − X̂) A) ∘ G′]ᵀ X"),
    "24": ("c", "∂D/∂c = −(2/N) [((X − X̂) A) ∘ G′]ᵀ 1"),
}
SQUARED = "units of X squared"

FILES: dict[str, File] = {
    "equation-01": File(
        "(1)",
        "min E |x − μ|² + I(X; M)/β (I in nats) over p(μ|x) and two points μ, for the samples ∓a: μ = ∓t a with "
        "t = tanh(2 β |a|² t), the positive root if 2 β |a|² > 1, or t = 0; distortion = |a|² (1 − t²), "
        "rate = 1 − h((1 + t)/2), h(p) = −p log₂ p − (1 − p) log₂(1 − p); points in ascending order",
        at.manifold_points,
        _cleaned(closed.two_point_manifold),
        units="rate: bits; distortion: units of X squared; points: units of X",
        tolerance=FLAT,
    ),
    "equation-02-03": File(
        "(2) and (3)",
        "min I(X; X̂) + β E d(x, x̂) (I in nats) over q(x̂|x), p(x) and d(x, x̂) ≥ 0 being given (a row per x, 'inf' "
        "forbids a pair), β the slope; at β = 0 the least D at rate 0. With h(p) = −p log₂ p − (1 − p) log₂(1 − p): "
        "binary: D = min(1/(1 + e^β), p), R = h(p) − h(D), p ≤ 1/2 the smaller probability; "
        "uniform, M symbols: D = (M − 1)/(M − 1 + e^β), R = log₂ M − h(D) − D log₂(M − 1); "
        "erasures, p_1 ≥ … ≥ p_n: D = Σ_{i>k} p_i / (1 − k e^−β) with the least k for which p_{k+1} ≤ D e^−β "
        "(k = n if there is none), R = −Σ_i p_i log₂ max(p_i, D e^−β) − β D / ln 2",
        at.finite_source_points,
        _cleaned(closed.finite_source),
        units="rate: bits; distortion: units of the distortion matrix; slope: nats per unit of distortion",
        tolerance=ITERATED,
    ),
    "equation-04-05": File(
        "(4) and (5)",
        "R(D) = Σ_i ½ log₂(γ_i² / D_i), D_i = min(λ, γ_i²), with the level λ for which Σ_i D_i = D; "
        "for D ≥ Σ γ_i² R = 0 and λ = max γ_i²; for D = 0 λ = 0 and R = inf, or R = 0 if all γ_i² = 0; "
        "a component with γ_i² = 0 adds nothing to R",
        at.gaussian_points,
        _cleaned(closed.water_filling),
        units="rate: bits; level, distortions: units of the variances",
    ),
    "equation-09": File(
        "(9)",
        "D_emp = (1/N) Σ_i |x_i − x̂_i|²",
        at.distortion_points,
        lambda X, Xhat: {"D": fifty.distortion(X, Xhat)},
        units=SQUARED,
    ),
    "equation-10": File(
        "(10)",
        "S_α(A) = log tr(A^α) / (1 − α); −Σ λ log λ at α = 1, −log λ_max at α = ∞",
        at.entropy_points,
        lambda **inputs: {"S": _clean(fifty.renyi_entropy(**inputs))},
    ),
    "equation-11": File(
        "(11)",
        "A_ij = K_ij / (N sqrt(K_ii K_jj))",
        at.kernel_points,
        lambda K: {"A": fifty.normalize_gram(K)},
        units="none",
    ),
    "equation-11-gaussian": File(
        "(11)",
        "A_ij = exp(−|x_i − x_j|² / (2σ²)) / N",
        at.sample_points,
        lambda X, sigma: {"A": fifty.gaussian_gram(X, sigma)},
        units="none",
    ),
    "equation-12": File(
        "(12)",
        "S_α(A, B) = S_α(A∘B / tr(A∘B))",
        lambda: at.pair_points(any_diagonal=True),
        lambda **inputs: {"S": _clean(fifty.joint_entropy(**inputs))},
    ),
    "equation-12-gradient": File(
        "(12)",
        "∂S_α(A, B)/∂B = A ∘ (G − tr(G Q) I) / tr(A∘B), with Q = A∘B / tr(A∘B) and G = ∂S_α(Q)/∂Q: "
        "α / ((1−α) tr Q^α) · Q^(α−1) / ln(base); −(ln Q + I) / ln(base) at α = 1; −V Vᵀ / (m λ_max ln(base)) at "
        "α = ∞, the columns of V spanning the m-dimensional eigenspace of λ_max, the largest eigenvalue of Q",
        lambda: at.pair_points((0.5, 1.0, 1.01, 2.0, math.inf), any_diagonal=True),
        _joint_gradient,
        gradient_form="literal",
    ),
    "equation-13": File(
        "(13)",
        "S_α(A | B) = S_α(A, B) − S_α(B); I_α(A; B) = S_α(A) − S_α(A | B)",
        at.equal_output_points,
        _entropy_of_pair,
    ),
    "equation-14": File(
        "(14)",
        "max S_α(K_X | K_X̂) subject to D_emp ≤ D; for x = ∓1 solved by x̂ = ∓t with "
        "t = 1 − sqrt(D); mu = dS_α(K_X | K_X̂)/dD, and the gradient of (25) with it is 0 there",
        at.constraint_points,
        _constrained_optimum,
    ),
    "equation-15-literal": File(
        "(15)",
        "∂S_α(A)/∂A = α / ((1−α) tr A^α) · U Λ^(α−1) Uᵀ / ln(base), A = U Λ Uᵀ; −(ln A + I) / ln(base) at α = 1; "
        "−V Vᵀ / (m λ_max ln(base)) at α = ∞, the columns of V spanning the m-dimensional eigenspace of λ_max",
        lambda: at.with_singular(at.entropy_points, tangent=False),
        lambda **inputs: {"dS_dA": fifty.renyi_entropy_gradient(**inputs)},
        gradient_form="literal",
    ),
    "equation-15-tangent": File(
        "(15)",
        "α / ((1−α) tr A^α) · U (Λ^(α−1) − I) Uᵀ / ln(base), A = U Λ Uᵀ; −ln A / ln(base) at α = 1",
        lambda: at.with_singular(at.entropy_points, tangent=True),
        lambda **inputs: {"dS_dA": fifty.renyi_entropy_gradient(**inputs, tangent=True)},
        gradient_form="tangent",
    ),
    "equation-16-literal": File(
        "(16)",
        "∂S_α(N K_X∘K)/∂K = α / ((1−α) tr (N K_X∘K)^α) · N K_X ∘ V Γ^(α−1) Vᵀ / ln(base), N K_X∘K = V Γ Vᵀ; "
        "−N K_X ∘ (ln(N K_X∘K) + I) / ln(base) at α = 1; −N K_X ∘ (W Wᵀ) / (m γ_max ln(base)) at α = ∞, the columns "
        "of W spanning the m-dimensional eigenspace of γ_max, the largest eigenvalue of N K_X∘K",
        lambda: at.with_singular(at.product_points, tangent=False),
        lambda **inputs: {"dS_dK": fifty.product_entropy_gradient(**inputs)},
        gradient_form="literal",
    ),
    "equation-16-tangent": File(
        "(16)",
        "α / ((1−α) tr (N K_X∘K)^α) · N K_X ∘ V (Γ^(α−1) − I) Vᵀ / ln(base), N K_X∘K = V Γ Vᵀ; "
        "−N K_X ∘ ln(N K_X∘K) / ln(base) at α = 1; no case has α = ∞",
        lambda: at.with_singular(at.product_points, tangent=True),
        lambda **inputs: {"dS_dK": fifty.product_entropy_gradient(**inputs, tangent=True)},
        gradient_form="tangent",
    ),
    "graph-laplacian": File(
        "(15) to (17)",
        "∂S_α(K)/∂Y = −4 (D(P) − P) Y, with P = ∂S/∂K ∘ K / (2σ²), ∂S/∂K from (15), D(P) = diag(P 1), and K the "
        "Gaussian Gram matrix (11) of Y = X",
        at.pullback_points,
        _pullback,
    ),
    **{
        f"equation-{number}": File(
            f"({number})",
            f"{statement}, for S_α(K_X̂) (output, from P) and S_α(N K_X∘K_X̂) (joint, from Q in the place of P); "
            f"{GRAPHS}",
            at.objective_points,
            _entropy_slope(parameter),
        )
        for number, (parameter, statement) in SLOPES.items()
    },
    **{
        f"equation-{number}": File(
            f"({number})",
            f"{statement}; {NETWORK}",
            at.networks,
            _distortion_slope(parameter),
            units=SQUARED + " by units of the parameter",
        )
        for number, (parameter, statement) in DISTORTION_SLOPES.items()
    },
    "equation-25": File(
        "(25)",
        "L = S_α(N K_X∘K_X̂) − S_α(K_X̂) − μ D_emp, and its gradient, uphill",
        at.trade_off_points,
        _model("RateDistortion"),
    ),
    "model-reconstruction": File(
        "plain auto-encoder",
        "L = −(1/N) Σ_i |x_i − f(x_i)|², and its gradient, uphill",
        at.networks,
        _model("Reconstruction"),
        units=SQUARED,
    ),
    "model-denoising": File(
        "denoising auto-encoder",
        "L = −(1/(mN)) Σ_k Σ_i |x_i − f(x̃_ki)|² for m corrupted copies x̃ of the inputs, and its gradient, uphill",
        at.denoising_points,
        _model("FixedDenoising"),
        units=SQUARED,
    ),
    "model-contractive": File(
        "contractive auto-encoder",
        "L = −(1/N) Σ_i |x_i − f(x_i)|² − strength · (1/N) Σ_i |∂g(W x + c)/∂x at x_i|², and its gradient, uphill",
        at.contractive_points,
        _model("Contractive"),
        units=SQUARED,
    ),
    "model-beta-vae": File(
        "beta-VAE, with its noise given",
        "L = (1/N) Σ_i [(1/m) Σ_c log p(x_i | z_ci) − β KL_i], with β |(1/N) Σ_i KL_i − C| (mean) or "
        "(β/N) Σ_i |KL_i − C| (sample) where there is a capacity C; z_ci = M_i + exp(T_i/2) ∘ ε_ci, "
        "[M, T] = encoder(X), KL_i = ½ Σ_j (M_ij² + exp(T_ij) − T_ij − 1); and its gradient, uphill",
        at.beta_vae_points,
        _nested_model("FixedBetaVAE", VAEParameters),
    ),
    "model-irmae": File(
        "implicit rank-minimising auto-encoder",
        "L = −(1/N) Σ_i |x_i − decoder(M_l … M_1 encoder(x_i))|², and its gradient, uphill",
        at.irmae_points,
        _nested_model("IRMAE", IRMAEParameters),
        units=SQUARED,
    ),
}
