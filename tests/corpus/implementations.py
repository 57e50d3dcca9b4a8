"""Wrong and unusual implementations of (25), each with the names of its true causes, for `compare`.

`run` computes (25) with HIPS autograd from the definitions, and shares no code with the package. Each entry of `WRONG`
changes one thing; `HANDWRITTEN` changes the gradient only, as a mistake in (17) to (24) does.
"""

import math

import autograd
import autograd.numpy as np
import numpy

SETTINGS = {"activation": "logsig", "alpha": 1.01, "mu": 1.3, "sigma_x": 0.9, "sigma_xhat": 0.6, "base": 2}
NAMES = "WcAb"


def detached(x):
    return numpy.array(getattr(x, "_value", x))


def logsig(z):
    return 1 / (1 + np.exp(-z))


def squared(Y):
    return np.sum((Y[:, None, :] - Y[None, :, :]) ** 2, axis=2)


def spectrum(M):
    return np.linalg.eigh(M)[0]


def entropy(values, alpha):
    if alpha == 1:
        return -np.sum(values * np.log(values))
    if alpha == math.inf:
        return -np.log(np.max(values))
    return np.log(np.sum(values**alpha)) / (1 - alpha)


OURS = {
    "unit": logsig,
    "at_output": lambda Y: Y,
    "bias": lambda c, b: (c, b),
    "gram": lambda Y, sigma: np.exp(-squared(Y) / (2 * sigma**2)) / len(Y),
    "of_outputs": lambda Xhat, H, X: Xhat,
    "sigmas": lambda X, Xhat, sx, sxhat: (sx, sxhat),
    "before": lambda K: K,
    "guard": lambda values: values,
    "orders": lambda alpha: (alpha, alpha),
    "logs": (math.log(2), math.log(2)),
    "joint_from": lambda K: K,
    "output_from": lambda K: K,
    "distortion": lambda X, Xhat: np.sum((X - Xhat) ** 2) / len(X),
    "total": lambda J, S, D, SX, mu: J - S - mu * D,
}


def point(N=12, d=3, p=4, seed=0):
    rng = numpy.random.default_rng(seed)
    X = rng.normal(size=(N, d))
    return X, [0.8 * rng.normal(size=shape) for shape in ((p, d), (p,), (d, p), (d,))]


def run(X, parameters, *, alpha, mu, sigma_x, sigma_xhat, activation="logsig", base=2, **changes):
    """Return value, outputs, Gram matrices and gradients, from the definitions with changes."""
    how = OURS | changes
    seen = {}

    def network(theta):
        W, c, A, b = theta
        c, b = how["bias"](c, b)
        H = how["unit"](np.dot(X, W.T) + c)
        return how["at_output"](np.dot(H, A.T) + b), H

    def of_outputs(Xhat, H):
        N = len(X)
        sx, sxhat = how["sigmas"](X, detached(Xhat), sigma_x, sigma_xhat)
        K_X, K = how["gram"](X, sx), how["gram"](how["of_outputs"](Xhat, H, X), sxhat)
        K_X, K = how["before"](K_X), how["before"](K)
        a1, a2 = how["orders"](alpha)
        J = entropy(how["guard"](spectrum(N * K_X * how["joint_from"](K))), a1) / how["logs"][0]
        S = entropy(how["guard"](spectrum(how["output_from"](K))), a2) / how["logs"][1]
        SX = entropy(how["guard"](spectrum(K_X)), a2) / how["logs"][1]
        D = how["distortion"](X, Xhat)
        seen.update(K_X=detached(K_X), K_Xhat=detached(K), joint_entropy=detached(J), output_entropy=detached(S))
        seen.update(distortion=detached(D))
        return how["total"](J, S, D, SX, mu)

    theta = [numpy.array(array) for array in parameters]
    value, gradient = autograd.value_and_grad(lambda t: of_outputs(*network(t)))(theta)
    Xhat, H = network(theta)
    dXhat = autograd.grad(lambda Y: of_outputs(Y, detached(H)))(detached(Xhat))
    arrays = {key: numpy.array(array, dtype=float) for key, array in seen.items()}
    arrays |= {"value": float(value), "Xhat": detached(Xhat), "dXhat": dXhat}
    return arrays | {f"d{name}": array for name, array in zip(NAMES, gradient, strict=True)}


def z_scored(Y):
    return (Y - detached(Y).mean(0)) / detached(Y).std(0)


def median_of(Y):
    D = np.sqrt(squared(Y))
    return float(numpy.median(D[numpy.triu_indices(len(Y), 1)]))


def gaussian(Y, sigma):
    return np.exp(-squared(Y) / (2 * sigma**2)) / len(Y)


def distances(Y):
    eye = numpy.eye(len(Y))
    return np.sqrt(squared(Y) + eye) * (1 - eye)


def masked_gram(Y, sigma):
    return gaussian(Y, sigma) * (1 - numpy.eye(len(Y)))


def centred(Y, sigma):
    K = gaussian(Y, sigma)
    H = numpy.eye(len(Y)) - 1 / len(Y)
    return np.dot(np.dot(H, K), H)


def jitter(eps, normalise=False):
    def gram(Y, sigma):
        N = len(Y)
        K = np.exp(-squared(Y) / (2 * sigma**2)) + eps * numpy.eye(N)
        return K / (N * (1 + eps)) if normalise else K / N

    return gram


LN2 = math.log(2)

# name: (settings or changes of the definitions, names of causes of which one must be named)
WRONG = {
    "tanh for logsig": ({"unit": np.tanh}, {"activation"}),
    "relu for logsig": ({"unit": lambda z: np.maximum(z, 0)}, {"activation"}),
    "softplus for logsig": ({"unit": lambda z: np.logaddexp(0, z)}, {"activation"}),
    "a sigmoid at the output": ({"at_output": logsig}, {"output_activation"}),
    "tanh at the output": ({"at_output": np.tanh}, {"output_activation"}),
    "no c": ({"bias": lambda c, b: (0 * c, b)}, {"bias_dropped"}),
    "no b": ({"bias": lambda c, b: (c, 0 * b)}, {"bias_dropped"}),
    "no biases": ({"bias": lambda c, b: (0 * c, 0 * b)}, {"bias_dropped"}),
    "outputs detached in the joint entropy": ({"joint_from": detached}, {"detached_joint"}),
    "outputs detached in their entropy": ({"output_from": detached}, {"detached_output", "reversed_conditional"}),
    "both entropies detached": ({"joint_from": detached, "output_from": detached}, {"detached_entropy"}),
    "the distortion detached": (
        {"distortion": lambda X, Y: numpy.sum((X - detached(Y)) ** 2) / len(X)},
        {"detached_distortion"},
    ),
    "ln in the joint entropy": ({"logs": (1, LN2)}, {"natural_log_joint"}),
    "ln in the entropy of the outputs": ({"logs": (LN2, 1)}, {"natural_log_output"}),
    "ln": ({"logs": (1, 1)}, {"natural_log"}),
    "mutual information": ({"total": lambda J, S, D, SX, mu: SX + S - J - mu * D}, {"mutual_information"}),
    "minus the conditional entropy": (
        {"total": lambda J, S, D, SX, mu: S - J - mu * D},
        {"mutual_information", "laplacian_sign"},
    ),
    "the reversed conditional entropy": ({"total": lambda J, S, D, SX, mu: J - SX - mu * D}, {"reversed_conditional"}),
    "the joint entropy alone": (
        {"total": lambda J, S, D, SX, mu: J - mu * D},
        {"joint_alone", "detached_output", "reversed_conditional"},
    ),
    "no mu": ({"total": lambda J, S, D, SX, mu: J - S - D}, {"mu_missing"}),
    "mu on the entropies": ({"total": lambda J, S, D, SX, mu: mu * (J - S) - D}, {"mu_on_entropy"}),
    "the distortion added": (
        {"total": lambda J, S, D, SX, mu: J - S + mu * D},
        {"distortion_added", "distortion_sign"},
    ),
    "a loss": ({"total": lambda J, S, D, SX, mu: -(J - S - mu * D)}, {"minimised", "gradient_scale"}),
    "a loss and ln": (
        {"total": lambda J, S, D, SX, mu: -(J - S - mu * D), "logs": (1, 1)},
        {"minimised", "natural_log"},
    ),
    "a mean over everything": ({"distortion": lambda X, Y: np.mean((X - Y) ** 2)}, {"distortion_mean"}),
    "a sum": ({"distortion": lambda X, Y: np.sum((X - Y) ** 2)}, {"distortion_sum"}),
    "alpha 2": ({"orders": lambda alpha: (2.0, 2.0)}, {"alpha"}),
    "alpha 1": ({"orders": lambda alpha: (1.0, 1.0)}, {"alpha"}),
    "alpha 1.1": ({"orders": lambda alpha: (1.1, 1.1)}, {"alpha"}),
    **{
        f"eigenvalues clamped at {eps:g}": ({"guard": lambda v, e=eps: np.maximum(v, e)}, {"eigenvalue_floor"})
        for eps in (1e-12, 1e-10, 1e-8, 1e-6, 1e-4, 3e-5)
    },
    **{
        f"{eps:g} added to eigenvalues": ({"guard": lambda v, e=eps: v + e}, {"eigenvalue_offset", "jitter"})
        for eps in (1e-8, 1e-6, 1e-4)
    },
    **{
        f"eigenvalues below {eps:g} dropped": ({"guard": lambda v, e=eps: v * (v > e)}, {"eigenvalue_cutoff"})
        for eps in (1e-8, 1e-6, 1e-4)
    },
    **{f"K + {eps:g} I": ({"gram": jitter(eps)}, {"jitter"}) for eps in (1e-6, 1e-4)},
    **{f"K + {eps:g} I, normalised": ({"gram": jitter(eps, True)}, {"jitter_normalised"}) for eps in (1e-6, 1e-4)},
    "a clamp and ln": ({"guard": lambda v: np.maximum(v, 1e-5), "logs": (1, 1)}, {"eigenvalue_floor"}),
    "exp(-d²/σ²)": ({"gram": lambda Y, s: np.exp(-squared(Y) / s**2) / len(Y)}, {"kernel_sigma2"}),
    "σ sqrt(d)": ({"sigmas": lambda X, Y, a, b: (a * 3**0.5, b * 3**0.5)}, {"kernel_size"}),
    "d²/d": ({"gram": lambda Y, s: np.exp(-squared(Y) / Y.shape[1] / (2 * s**2)) / len(Y)}, {"kernel_size"}),
    "the median distance": ({"sigmas": lambda X, Y, a, b: (median_of(X), median_of(Y))}, {"kernel_size"}),
    "a Laplacian kernel": ({"gram": lambda Y, s: np.exp(-distances(Y) / s) / len(Y)}, {"kernel_laplacian"}),
    "a factorised Laplacian kernel": (
        {"gram": lambda Y, s: np.exp(-np.sum(np.abs(Y[:, None] - Y[None]), axis=2) / s) / len(Y)},
        {"kernel_laplacian_factorised", "kernel_laplacian"},
    ),
    "d to the power 1.5": (
        {"gram": lambda Y, s: np.exp(-(distances(Y) ** 1.5) / (2 * s**2)) / len(Y)},
        {"kernel_power"},
    ),
    "z-scored inputs": ({"gram": lambda Y, s: gaussian(z_scored(Y), s)}, {"standardised_inputs"}),
    "a centred Gram matrix": ({"gram": centred, "guard": lambda v: v * (v > 1e-12)}, {"centred_gram"}),
    "d to the power 4": (
        {"gram": lambda Y, s: np.exp(-(squared(Y) ** 2) / (2 * s**2)) / len(Y), "guard": np.abs},
        {"kernel_power"},
    ),
    "z-scored with n - 1": (
        {"gram": lambda Y, s: gaussian(z_scored(Y) * math.sqrt(1 - 1 / len(Y)), s)},
        {"standardised_inputs"},
    ),
    "z-scored as nicolasigor/entropy does": (
        {"gram": lambda Y, s: gaussian((Y - np.mean(Y, axis=0)) / np.sqrt(np.var(Y, axis=0) + 1e-8), s)},
        {"standardised_inputs"},
    ),
    "the size of Directed-Information": (
        {"sigmas": lambda X, Y, a, b: tuple(1.06 * float(numpy.std(Z)) * len(Z) ** -0.2 / 2**0.5 for Z in (X, Y))},
        {"kernel_size"},
    ),
    "a zero diagonal": ({"gram": masked_gram, "guard": np.abs}, {"zero_diagonal"}),
    "the Gram matrix of the code": ({"of_outputs": lambda Y, H, X: H}, {"gram_of_code"}),
    "the Gram matrix of the inputs for both": ({"of_outputs": lambda Y, H, X: X}, {"kernel_one_side"}),
    "three times the joint entropy": ({"total": lambda J, S, D, SX, mu: 3 * J - S - mu * D}, {"wrong_factor_joint"}),
    "three times the outputs' entropy": (
        {"total": lambda J, S, D, SX, mu: J - 3 * S - mu * D},
        {"wrong_factor_output"},
    ),
    "the kernels swapped": ({"sigmas": lambda X, Y, a, b: (b, a)}, {"sigmas_swapped"}),
}


# Mistakes of hand-written gradients ---------------------------------------------------------------------------------


def by_hand(X, parameters, *, alpha, mu, sigma_x, sigma_xhat, activation="logsig", base=2, **changes):
    """Return the gradient of (25) as (17) to (24) have it, with changes."""
    how = {
        "laplacian": lambda P: numpy.diag(P.sum(1)) - P,
        "Gprime": lambda G, Z, H: G,
        "A": lambda A: A,
        "K_X": lambda K_X: K_X,
        "n": lambda N: N,
        "power": lambda alpha: alpha - 1,
        "after": lambda name, dS, dD, theta: dS - mu * dD,
        "scale": lambda arrays: 1.0,
        "drop": (None, None),
    } | changes
    W, c, A, b = parameters
    N = len(X)
    Z = X @ W.T + c
    H = 1 / (1 + numpy.exp(-Z))
    Xhat = H @ A.T + b
    K_X, K = (gaussian(Y, s) for Y, s in ((X, sigma_x), (Xhat, sigma_xhat)))

    def gradient(M):
        values, V = numpy.linalg.eigh(M)
        return (
            alpha / (1 - alpha) / numpy.sum(values**alpha) * (V * values ** how["power"](alpha)) @ V.T / math.log(base)
        )

    Q = how["n"](N) * how["K_X"](K_X) * gradient(N * K_X * K) * K / (2 * sigma_xhat**2)
    P = gradient(K) * K / (2 * sigma_xhat**2)
    L = how["laplacian"](Q) - how["laplacian"](P)
    G = how["Gprime"](H * (1 - H), Z, H)
    dS_dXhat, dD_dXhat = -4 * L @ Xhat, -2 / N * (X - Xhat)
    arrays = {}
    for part, slope in (("S", dS_dXhat), ("D", dD_dXhat)):
        dZ = slope @ how["A"](A) * G
        arrays[part] = {"dW": dZ.T @ X, "dc": dZ.sum(0), "dA": slope.T @ H, "db": slope.sum(0) * (part == "D")}
    if how["drop"] == ("dA", "joint"):
        arrays["S"]["dA"] = (4 * how["laplacian"](P) @ Xhat).T @ H
    theta = dict(zip(("dW", "dc", "dA", "db"), parameters, strict=True))
    whole = {name: how["after"](name, arrays["S"][name], arrays["D"][name], theta[name]) for name in theta}
    return {name: how["scale"](whole) * array for name, array in whole.items()}


def clipped(limit):
    def after(name, dS, dD, theta):
        return numpy.clip(dS - 1.3 * dD, -limit, limit)

    return after


def clipped_norm(limit):
    def norm(arrays):
        return limit / math.sqrt(sum(numpy.sum(array**2) for array in arrays.values()))

    return norm


HANDWRITTEN = {
    "clipped to norm 0.5": ({"scale": clipped_norm(0.5)}, {"gradient_clipped"}),
    "no joint entropy in dA": ({"drop": ("dA", "joint")}, {"entropy_part_dropped"}),
    "P for the Laplacian": ({"laplacian": lambda P: P}, {"adjacency_for_laplacian"}),
    "D(P) for the Laplacian": ({"laplacian": lambda P: numpy.diag(P.sum(1))}, {"degree_only"}),
    "D(P) + P": ({"laplacian": lambda P: numpy.diag(P.sum(1)) + P}, {"adjacency_sign"}),
    "-L": ({"laplacian": lambda P: P - numpy.diag(P.sum(1))}, {"laplacian_sign", "mutual_information"}),
    "diag of a column": ({"laplacian": lambda P: numpy.diag(P.sum(1, keepdims=True)) - P}, {"degree_scalar"}),
    "no G′": ({"Gprime": lambda G, Z, H: numpy.ones_like(G)}, {"missing_gprime"}),
    "G′ at Ẑ": ({"Gprime": lambda G, Z, H: numpy.exp(-H) / (1 + numpy.exp(-H)) ** 2}, {"wrong_gprime"}),
    "G′ of tanh": ({"Gprime": lambda G, Z, H: 1 - H**2}, {"wrong_gprime"}),
    "no N in (16)": ({"n": lambda N: 1}, {"joint_gradient_without_n"}),
    "no K_X in (16)": ({"K_X": numpy.ones_like}, {"joint_without_k_x"}),
    "α in the exponent": ({"power": lambda alpha: alpha}, {"exponent"}),
    "weight decay": ({"after": lambda n, dS, dD, t: dS - 1.3 * dD - 1e-3 * t}, {"weight_decay"}),
    "half the entropies in dA": (
        {"after": lambda n, dS, dD, t: (0.5 if n == "dA" else 1) * dS - 1.3 * dD},
        {"wrong_factor_entropy"},
    ),
    "a learning rate": ({"after": lambda n, dS, dD, t: 0.01 * (dS - 1.3 * dD)}, {"gradient_scale"}),
    "accumulated twice": ({"after": lambda n, dS, dD, t: 2 * (dS - 1.3 * dD)}, {"gradient_scale"}),
    "a mean for a sum": ({"after": lambda n, dS, dD, t: (dS - 1.3 * dD) / 12}, {"gradient_scale"}),
    "no distortion in dW": ({"after": lambda n, dS, dD, t: dS - 1.3 * dD * (n != "dW")}, {"detached_distortion"}),
    "no mu in the gradient": ({"after": lambda n, dS, dD, t: dS - dD}, {"mu_missing"}),
    "N missing in the distortion": (
        {"after": lambda n, dS, dD, t: dS - 1.3 * 12 * dD},
        {"distortion_scale", "distortion_sum"},
    ),
    "the distortion's sign": ({"after": lambda n, dS, dD, t: dS + 1.3 * dD}, {"distortion_sign", "distortion_added"}),
    "nats": ({"after": lambda n, dS, dD, t: LN2 * dS - 1.3 * dD}, {"gradient_in_nats", "natural_log"}),
    "elements clipped": ({"after": clipped(0.2)}, {"gradient_clipped_elements"}),
    "no decoder, d = p": (
        {"A": lambda A: numpy.eye(len(A), A.shape[1])},
        {"decoder_dropped"},
    ),
    "two wrong factors": ({"after": lambda n, dS, dD, t: 3 * dS - 1.3 * 2.7 * dD}, {"wrong_factor"}),
    "one wrong factor": ({"after": lambda n, dS, dD, t: 3 * dS - 1.3 * dD}, {"wrong_factor_entropy"}),
}
