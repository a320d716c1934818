"""Weights of 8 bits on the CPU. Runs in the engine's thread.

Each row of a matrix is held as whole numbers from -127 to 127 and a scale. A step of few tokens is bound by
how fast weights come from memory, of which these are a quarter; torch's kernel multiplies them as they are,
by activations in bfloat16. Passes of many tokens are bound by arithmetic: there the weights are turned into
single precision first, matrix by matrix. Activations are not quantized: torch would take one scale for all
rows of a pass, and what one row gets would depend on its neighbours.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import Linear, Parameter
from torch.nn.functional import linear

__all__ = ["Int8Linear", "quantize"]

_FEW = 24
"""Tokens up to which the kernel for weights of 8 bits is faster."""
_INPUTS, _OUTPUTS = 32, 16
"""What the sides of a matrix are multiples of that it takes: on others, it reads beyond their ends."""


class Int8Linear(Linear):
    """A linear layer whose weights are of 8 bits.

    Args:
        layer: The layer as it was loaded.
    """

    scale: torch.Tensor
    half_scale: torch.Tensor

    def __init__(self, layer: Linear) -> None:
        super().__init__(layer.in_features, layer.out_features, bias=False, device="meta")
        weight = layer.weight.detach().float()
        self._few = 0 if layer.in_features % _INPUTS or layer.out_features % _OUTPUTS else _FEW
        scale = weight.abs().amax(dim=1).clamp_(min=1e-12) / 127
        whole = (weight / scale[:, None]).round_().to(torch.int8)
        self.weight = Parameter(whole, requires_grad=False)
        self.bias = layer.bias
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("half_scale", scale.bfloat16(), persistent=False)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Return the product with the weights, in the type of the input."""
        rows = input.reshape(-1, self.in_features).contiguous()
        if rows.shape[0] <= self._few:
            product = torch._weight_int8pack_mm(rows.bfloat16(), self.weight, self.half_scale)  # noqa: SLF001
        else:
            product = linear(rows.float(), self.weight.float()).mul_(self.scale)
        product = product.to(input.dtype)
        if self.bias is not None:
            product = product + self.bias
        return product.reshape(*input.shape[:-1], self.out_features)


def quantize(model: Any) -> None:
    """Hold the weights of a model's linear layers in 8 bits, one layer after the other."""
    for part in list(model.modules()):
        for name, child in list(part.named_children()):
            if type(child) is Linear:
                setattr(part, name, Int8Linear(child))
