"""TensorFlow's AlexNet (oneDNN), a step in one tf.function, images channels-last; bf16 computes from
float32 weights."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np
import tensorflow as tf

from benchmarks.alexnet import CONVOLUTIONS, NORM, AlexNet, make_batch, make_weights, read_case
from benchmarks.peers import Runner

TRAIN = {  # the normalisation by a product with a banded matrix instead of tf.nn.lrn, XLA
    "tf.nn.lrn": (False, False),
    "normalisation by bands": (True, False),
    "tf.nn.lrn, XLA": (False, True),
}
PLAIN = {"graph": (False, False), "XLA": (False, True)}  # without normalisation


def convolve(x: Any, weight: Any, c: Any) -> Any:
    """Groups by split: conv2d's own have no gradient on the CPU, nor has any order but NHWC."""

    def one(x: Any, weight: Any) -> Any:
        return tf.nn.conv2d(x, weight, c.stride, "SAME" if c.padding else "VALID")

    if c.groups == 1:
        return one(x, weight)
    parts = zip(tf.split(x, c.groups, 3), tf.split(weight, c.groups, 3))
    return tf.concat([one(*part) for part in parts], 3)


def normalise(x: Any, bands: bool) -> Any:
    alpha, half = NORM["alpha"] / NORM["size"], NORM["size"] // 2
    if not bands:  # it has no kernel for bf16
        wide = tf.cast(x, tf.float32)
        return tf.cast(
            tf.nn.local_response_normalization(wide, half, NORM["k"], alpha, NORM["beta"]), x.dtype
        )
    channels = np.arange(x.shape[3])
    band = np.abs(channels[:, None] - channels) <= half
    total = tf.nn.conv2d(x * x, tf.constant(band[None, None], x.dtype), 1, "VALID")
    root = tf.math.rsqrt(NORM["k"] + alpha * total)
    return x * root * tf.sqrt(root)


def forward(case: AlexNet, weights: list[Any], x: Any, bands: bool) -> Any:
    pairs = iter(weights)
    for c in CONVOLUTIONS:
        weight, bias = next(pairs)
        x = tf.nn.relu(tf.nn.bias_add(convolve(x, weight, c), bias))
        if c.norm and case.norm:
            x = normalise(x, bands)
        if c.pool:
            x = tf.nn.max_pool2d(x, 3, 2, "VALID")
    x = tf.reshape(x, (x.shape[0], -1))
    for _ in range(2):
        weight, bias = next(pairs)
        x = tf.nn.relu(tf.nn.bias_add(tf.matmul(x, weight), bias))
        if case.dropout:
            x = tf.nn.dropout(x, case.dropout)
    weight, bias = next(pairs)
    return tf.nn.bias_add(tf.matmul(x, weight), bias)


class Peer:
    def __init__(self, precision: str) -> None:
        self.dtype = tf.bfloat16 if precision == "bf16" else tf.float32
        self.read_case = read_case
        self._threads = 0

    def forms(self, case: AlexNet) -> list[str]:
        return [] if case.predict else list(TRAIN if case.norm else PLAIN)

    def make(self, case: AlexNet, threads: int, form: str) -> Runner:
        if not self._threads:
            tf.config.threading.set_intra_op_parallelism_threads(threads)
            tf.config.threading.set_inter_op_parallelism_threads(1)
            self._threads = threads
        bands, xla = {**TRAIN, **PLAIN}[form]
        images, labels = make_batch(case)
        x = tf.constant(np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
        y = tf.constant(labels)
        variables = [
            (tf.Variable(to_theirs(w, index)), tf.Variable(b)) for index, (w, b) in enumerate(make_weights())
        ]
        flat = [variable for pair in variables for variable in pair]
        velocity = [tf.Variable(tf.zeros_like(variable)) for variable in flat]
        dtype = self.dtype

        @tf.function(jit_compile=xla)
        def step() -> None:
            with tf.GradientTape() as tape:
                weights = [(tf.cast(w, dtype), tf.cast(b, dtype)) for w, b in variables]
                out = tf.cast(forward(case, weights, tf.cast(x, dtype), bands), tf.float32)
                loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, out))
            for variable, v, gradient in zip(flat, velocity, tape.gradient(loss, flat)):
                tf.raw_ops.ResourceApplyMomentum(
                    var=variable.handle,
                    accum=v.handle,
                    lr=case.lr,
                    grad=gradient,
                    momentum=case.momentum,
                )

        def train() -> int:
            step()
            flat[-1].numpy()
            return case.batch

        def state() -> list[Any]:
            return [(to_ours(w.numpy(), i), b.numpy()) for i, (w, b) in enumerate(variables)]

        return Runner(train, state)


def to_theirs(weight: np.ndarray, index: int) -> np.ndarray:
    """(height, width, in, out), or (in, out); the inputs of the first linear layer in the order of memory."""
    if weight.ndim == 4:
        return np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
    if index == len(CONVOLUTIONS):
        weight = weight.reshape(len(weight), 256, 6, 6).transpose(0, 2, 3, 1).reshape(len(weight), -1)
    return np.ascontiguousarray(weight.T)


def to_ours(weight: np.ndarray, index: int) -> np.ndarray:
    if weight.ndim == 4:
        return weight.transpose(3, 2, 0, 1)
    weight = weight.T
    if index == len(CONVOLUTIONS):
        weight = weight.reshape(len(weight), 6, 6, 256).transpose(0, 3, 1, 2).reshape(len(weight), -1)
    return weight


def peer(precision: str) -> Peer:
    return Peer(precision)
