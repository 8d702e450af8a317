"""The curves of AlexNet on Imagenette as tables: ``python -m benchmarks.imagenette``, drawn by ``python docs/pictures.py imagenette``.

``bpnet_float32.csv`` and ``bpnet_bfloat16.csv``, where they are there, are what examples/imagenette.py wrote. ``pytorch_bfloat16.csv`` is PyTorch's run of
the same network and batch size on two processors of another machine, in bfloat16, at the constant rate 0.01, its local response normalisation
written as a banded 1×1 convolution because its own is slower.
"""
