"""Why did AlexNet replace tanh by ReLU? Because tanh saturates: where |s| is large its derivative tends to 0
and with it, layer by layer, the gradient.

Trains nothing: it builds deep networks that differ in their activation, propagates backward once, and draws the
size of each layer's gradient. The weights are the customary ones of each activation; biases from −3 to 3
put many units where tanh is flat, as training does. Needs the extra ``plots``:

    python examples/vanishing_gradient.py vanishing_gradient.png
"""

import sys

import numpy as np

import bpnet as bp
from bpnet.plots import plot_gradient_norms

DEPTH = 20
WIDTH = 64


def gradient_sizes(activation: type, init: object, largest_bias: float) -> list[float]:
    """mean |∂e/∂w| of each weighted layer, from the first to the last."""
    layers = []
    for _ in range(DEPTH):
        biases = bp.Uniform(-largest_bias, largest_bias)
        layers += [bp.Linear(WIDTH, init=init, bias_init=biases), activation()]
    net = bp.Network((WIDTH,), [*layers, bp.Linear(1)], seed=0, dtype="float64")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((128, WIDTH)), rng.standard_normal((128, 1))
    out = net.forward(x, training=True)
    net.backward((out - y) / len(x))
    weights = [g for name, g in net.gradients().items() if name.endswith("weight")]
    return [float(np.abs(g).mean()) for g in weights[:-1]]


def norms_by_network() -> dict[str, list[float]]:
    """gradient_sizes of four networks."""
    return {
        "tanh, no biases": gradient_sizes(bp.Tanh, bp.XavierNormal(), 0.0),
        "tanh, saturated": gradient_sizes(bp.Tanh, bp.XavierNormal(), 3.0),
        "ReLU, no biases": gradient_sizes(bp.ReLU, bp.HeNormal(), 0.0),
        "ReLU, the same biases": gradient_sizes(bp.ReLU, bp.HeNormal(), 3.0),
    }


def main(path: str) -> None:
    norms = norms_by_network()
    for name, values in norms.items():
        print(f"{name}: first layer {values[0]:.2e}, last {values[-1]:.2e}")
    plot_gradient_norms(norms, path=path)
    print(f"drawn in {path}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "vanishing_gradient.png")
