"""How does the lecture's derivation look in numbers? One sample through a 2-2-1 tanh network, every s, x
and δ, then the algorithm on XOR, one sample at a time."""

import numpy as np

import bpnet as bp

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], dtype=float)
y = np.array([-1, 1, 1, -1], dtype=float)


def main() -> None:
    net = bp.Network((2,), [bp.Linear(2), bp.Tanh(), bp.Linear(1), bp.Tanh()], seed=1, dtype="float64")
    t = net.trace(X[1], y[1])
    for layer in (1, 2):
        print(
            f"layer {layer}: s = {t.s[layer].round(4)}  x = {t.x[layer].round(4)}  delta = {t.delta[layer].round(4)}"
        )
    by_hand = (1 - t.x[2] ** 2) * (t.x[2] - y[1])
    print(f"the lecture's delta of the last layer: (1 - x²)(x - y) = {by_hand.round(4)}")

    errors = bp.check_gradients(net, X, y, "half_squared_error")
    print("back-propagation against differences:", {name: f"{error:.1e}" for name, error in errors.items()})

    w = bp.backprop(X, y, layers=(2, 4, 1), eta=0.1, steps=50_000, seed=0)
    x = X
    for weights in w[1:]:
        x = np.tanh(weights[0] + x @ weights[1:])
    print("XOR after 50,000 steps:", x[:, 0].round(3))


if __name__ == "__main__":
    main()
