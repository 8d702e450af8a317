"""Normalisation over channels, maps and batches."""

from __future__ import annotations

from bpnet.arguments import by_position
from bpnet.layers.base import Layer, trainable_option


class LocalResponseNorm(Layer):
    """y_c = x_c (k + alpha / size · Σ_j x_j²)^−beta over the channels j from c − ⌊size/2⌋ to c + ⌊(size−1)/2⌋.

    Krizhevsky et al. 2012, section 3.3, in PyTorch's convention: the paper's alpha is alpha / size here.

    Args:
        size: how many channels a window sees; with within_map its height and width.
        alpha, beta, k: as in the formula, not negative.
        groups: the channels are cut into so many groups and windows end at their edges.
        within_map: sum over size × size positions of the same channel instead, with alpha / size²; those
            beyond the map's edge are 0.

    Input and output have shape (channels, height, width).
    """

    operation = "local_response_norm"

    @by_position()
    def __init__(
        self,
        size: int,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 1.0,
        *,
        groups: int = 1,
        within_map: bool = False,
    ) -> None:
        self._set(size=size, alpha=alpha, beta=beta, k=k, groups=groups, within_map=within_map)


class BatchNorm1d(Layer):
    """y = (x − mean) / √(variance + eps) · weight + bias of each feature of an input (features,), or of each
    channel of an input (channels, length), over batch and positions.

    In training mean and variance (divided by the count) are the batch's, which must hold more than one value per
    feature, and the buffers follow: running = (1 − momentum) · running + momentum · batch's, the variance there
    divided by the count − 1. In evaluation they are ``running_mean`` and ``running_var``. (Ioffe and Szegedy 2015.)

    Args:
        eps: added to the variance, not negative.
        momentum: from 0 to 1; ``None`` is 1 / the number of batches so far, which makes the running ones
            the mean of all batches'.
        affine: whether there are a weight, 1 at first, and a bias, 0 at first, of shape (features,).
        trainable: False takes the running mean and variance in training too, and leaves them, weight and bias
            as they are; see :class:`Layer`.
    """

    operation = "batch_norm1d"

    @by_position("the number of features is inferred: BatchNorm1d(), not BatchNorm1d(64)")
    def __init__(
        self,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        trainable: bool = True,
    ) -> None:
        self._set(eps=eps, momentum=momentum, affine=affine, **trainable_option("batch_norm1d", trainable))


class BatchNorm2d(Layer):
    """:class:`BatchNorm1d` of each channel of maps (channels, height, width), over batch and positions."""

    operation = "batch_norm2d"

    @by_position("the number of channels is inferred: BatchNorm2d(), not BatchNorm2d(64)")
    def __init__(
        self,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        trainable: bool = True,
    ) -> None:
        self._set(eps=eps, momentum=momentum, affine=affine, **trainable_option("batch_norm2d", trainable))
