"""How do I write the training loop myself? Forward, a loss of my own, backward, an update in NumPy."""

import numpy as np

import bpnet as bp


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (256, 1))
    y = np.sin(3 * x)
    net = bp.Network((1,), [bp.Linear(32), bp.Tanh(), bp.Linear(1)], seed=0, dtype="float64")
    for step in range(2001):
        out = net.forward(x, training=True)
        error = out - y
        net.backward(2 * error / len(x))  # the gradient of mean (out − y)² by out
        gradients = net.gradients()
        net.load_state_dict({name: w - 0.1 * gradients[name] for name, w in net.state_dict().items()})
        if step % 500 == 0:
            print(f"step {step}: mean squared error {np.mean(error**2):.5f}")


if __name__ == "__main__":
    main()
