"""The lecture in plain Python: lists, floats and `math` alone, written to be read.

    s_j^(l) = Σ_{i=0..d(l−1)} w_ij^(l) x_i^(l−1)      x_j^(l) = θ(s_j^(l))      x_0 = 1
    δ_j^(L) = θ'(s_j^(L)) ∂e/∂x_j^(L)                 δ_i^(l−1) = θ'(s_i^(l−1)) Σ_j w_ij^(l) δ_j^(l)
    ∂e/∂w_ij^(l) = x_i^(l−1) δ_j^(l)                  w_ij^(l) ← w_ij^(l) − η (∂e/∂w_ij^(l) + λ w_ij^(l))

w is a list with w[0] None; w[l][i][j] is the weight from unit i of layer l−1 to unit j of layer l, and row
i = 0 holds the biases. The other lists are indexed by layer too, and hold no constant unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

Vector = Sequence[float]


# θ and θ', both as functions of s.


class Activation(NamedTuple):
    theta: Callable[[float], float]
    slope: Callable[[float], float]
    kinks: bool = False  # whether θ' jumps at 0


def sigmoid(s: float) -> float:
    return 1 / (1 + math.exp(-s)) if s >= 0 else math.exp(s) / (1 + math.exp(s))


def normal_cdf(s: float) -> float:
    return 0.5 * (1 + math.erf(s / math.sqrt(2)))


def normal_density(s: float) -> float:
    return math.exp(-s * s / 2) / math.sqrt(2 * math.pi)


def gelu_tanh_inner(s: float) -> float:
    return math.tanh(math.sqrt(2 / math.pi) * (s + 0.044715 * s**3))


def gelu_tanh_slope(s: float) -> float:
    t = gelu_tanh_inner(s)
    inner_slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * s**2)
    return 0.5 * (1 + t) + 0.5 * s * (1 - t * t) * inner_slope


def leaky_relu(slope: float) -> Activation:
    return Activation(lambda s: s if s > 0 else slope * s, lambda s: 1.0 if s > 0 else slope, True)


def softplus(beta: float) -> Activation:
    return Activation(
        lambda s: (max(beta * s, 0.0) + math.log1p(math.exp(-abs(beta * s)))) / beta,
        lambda s: sigmoid(beta * s),
    )


identity = Activation(lambda s: s, lambda s: 1.0)
tanh = Activation(math.tanh, lambda s: 1 - math.tanh(s) ** 2)
relu = Activation(lambda s: max(s, 0.0), lambda s: 1.0 if s > 0 else 0.0, True)
logistic = Activation(sigmoid, lambda s: sigmoid(s) * (1 - sigmoid(s)))
gelu = Activation(lambda s: s * normal_cdf(s), lambda s: normal_cdf(s) + s * normal_density(s))
gelu_tanh = Activation(lambda s: 0.5 * s * (1 + gelu_tanh_inner(s)), gelu_tanh_slope)
silu = Activation(lambda s: s * sigmoid(s), lambda s: sigmoid(s) * (1 + s * (1 - sigmoid(s))))


# A loss takes a sample's outputs x and its target y; it gives e and the list of ∂e/∂x_j.

Error = tuple[float, list[float]]


class Loss(NamedTuple):
    error: Callable[[Vector, Vector], Error]
    class_weight: Vector | None = None  # divides a batch of labels too


def half_squared_error(x: Vector, y: Vector) -> Error:
    return sum(0.5 * (a - b) ** 2 for a, b in zip(x, y)), [a - b for a, b in zip(x, y)]


def squared_error(x: Vector, y: Vector) -> Error:
    return sum((a - b) ** 2 for a, b in zip(x, y)), [2 * (a - b) for a, b in zip(x, y)]


def mse(x: Vector, y: Vector) -> Error:
    e, slopes = squared_error(x, y)
    return e / len(x), [slope / len(x) for slope in slopes]


def sign(d: float) -> float:
    return (d > 0) - (d < 0)


def mae(x: Vector, y: Vector) -> Error:
    return sum(abs(a - b) for a, b in zip(x, y)) / len(x), [sign(a - b) / len(x) for a, b in zip(x, y)]


def huber(delta: float) -> Callable[[Vector, Vector], Error]:
    def error(x: Vector, y: Vector) -> Error:
        e, slopes = 0.0, []
        for a, b in zip(x, y):
            d = a - b
            near = abs(d) <= delta
            e += 0.5 * d * d if near else delta * (abs(d) - 0.5 * delta)
            slopes.append(d if near else delta * sign(d))
        return e / len(x), [slope / len(x) for slope in slopes]

    return error


def softmax(x: Vector) -> list[float]:
    exps = [math.exp(a - max(x)) for a in x]
    return [value / sum(exps) for value in exps]


def cross_entropy(
    label_smoothing: float = 0.0, class_weight: Vector | None = None
) -> Callable[[Vector, Vector], Error]:
    """−Σ_c q_c log softmax(x)_c; its derivative is (Σ_k q_k) softmax(x)_c − q_c. y holds probabilities."""

    def error(x: Vector, y: Vector) -> Error:
        weight = class_weight or [1.0] * len(x)
        q = [w * ((1 - label_smoothing) * b + label_smoothing / len(x)) for w, b in zip(weight, y)]
        log_sum = max(x) + math.log(sum(math.exp(a - max(x)) for a in x))
        e = sum(share * (log_sum - a) for share, a in zip(q, x))
        return e, [sum(q) * p - share for p, share in zip(softmax(x), q)]

    return error


def binary_cross_entropy_with_logits(x: Vector, y: Vector) -> Error:
    e, gradient = binary_cross_entropy_sum(x, y)
    return e / len(x), [g / len(x) for g in gradient]


def binary_cross_entropy_sum(x: Vector, y: Vector) -> Error:
    e = sum(max(a, 0.0) - a * b + math.log1p(math.exp(-abs(a))) for a, b in zip(x, y))
    return e, [sigmoid(a) - b for a, b in zip(x, y)]


def one_hot(label: int, classes: int) -> list[float]:
    return [1.0 if c == label else 0.0 for c in range(classes)]


# One sample.


def forward(w: list, thetas: Sequence[Activation], x0: Vector) -> tuple[list, list]:
    """s and x of every layer; s[0] is None, x[0] the input."""
    s, x = [None], [list(x0)]
    for layer in range(1, len(w)):
        inputs = [1.0, *x[-1]]
        width = len(w[layer][0])
        sums = [sum(row[j] * value for row, value in zip(w[layer], inputs)) for j in range(width)]
        s.append(sums)
        x.append([thetas[layer].theta(value) for value in sums])
    return s, x


def backward(w: list, thetas: Sequence[Activation], s: list, slopes: Vector) -> list:
    """δ of every layer from the last back, given ∂e/∂x of the last."""
    delta = [None] * len(w)
    for layer in range(len(w) - 1, 0, -1):
        delta[layer] = [thetas[layer].slope(a) * slope for a, slope in zip(s[layer], slopes)]
        slopes = [sum(v * d for v, d in zip(row, delta[layer])) for row in w[layer][1:]]
    return delta


def gradient(x: list, delta: list) -> list:
    """x_i^(l−1) δ_j^(l) for every weight."""
    grad = [None]
    for layer in range(1, len(delta)):
        grad.append([[value * d for d in delta[layer]] for value in [1.0, *x[layer - 1]]])
    return grad


class Step(NamedTuple):
    """What a batch gives: Σ weight · e / Σ weight, with the outputs and the gradient by w."""

    e: float
    outputs: list[list[float]]
    grad: list


def batch(
    w: list,
    thetas: Sequence[Activation],
    loss: Loss,
    xs: Sequence[Vector],
    ys: Sequence,
    sample_weight: Vector | None = None,
) -> Step:
    """ys holds targets, or class indices as ints. A label's class weight counts in the divisor as well."""
    weights = list(sample_weight) if sample_weight is not None else [1.0] * len(xs)
    divisor = sum(
        weight * (loss.class_weight[y] if isinstance(y, int) and loss.class_weight else 1.0)
        for weight, y in zip(weights, ys)
    )
    total, outputs = 0.0, []
    grad = [None] + [[[0.0] * len(row) for row in w[layer]] for layer in range(1, len(w))]
    for weight, x0, y in zip(weights, xs, ys):
        s, x = forward(w, thetas, x0)
        target = one_hot(y, len(x[-1])) if isinstance(y, int) else y
        e, slopes = loss.error(x[-1], target)
        share = weight / divisor
        own = gradient(x, backward(w, thetas, s, [share * slope for slope in slopes]))
        for layer in range(1, len(w)):
            for row, own_row in zip(grad[layer], own[layer]):
                for j, value in enumerate(own_row):
                    row[j] += value
        total += share * e
        outputs.append(x[-1])
    return Step(total, outputs, grad)


def update(w: list, grad: list, eta: float, weight_decay: float = 0.0) -> list:
    """The weights after one step of stochastic gradient descent; w itself stays as it is."""
    return [None] + [
        [[v - eta * (g + weight_decay * v) for v, g in zip(*rows)] for rows in zip(w[layer], grad[layer])]
        for layer in range(1, len(w))
    ]


def online(
    w: list,
    thetas: Sequence[Activation],
    loss: Loss,
    xs: Sequence[Vector],
    ys: Sequence,
    eta: float,
    weight_decay: float = 0.0,
) -> tuple[list, list[float]]:
    """The lecture's loop over the samples in turn: the last weights, and each error before its update."""
    errors = []
    for x0, y in zip(xs, ys):
        step = batch(w, thetas, loss, [x0], [y])
        errors.append(step.e)
        w = update(w, step.grad, eta, weight_decay)
    return w, errors
