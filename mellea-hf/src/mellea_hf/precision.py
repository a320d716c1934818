"""In what numbers a model's weights are held: checked before anything is loaded."""

from __future__ import annotations

from attrs import frozen

from mellea.core import UsageError

__all__ = ["DEFAULT_PRECISION", "Precision"]

_DTYPES = ("auto", "float32", "bfloat16", "float16")
_QUANTIZATIONS = ("int8",)


@frozen
class Precision:
    """The numbers of a model.

    Args:
        dtype: ``float32``, ``bfloat16``, ``float16``, or ``auto`` for those that were saved; None for float32
            on the CPU and ``auto`` elsewhere.
        quantization: ``int8``, or None.

    Raises:
        UsageError: They are none that there are, or do not go together.
    """

    dtype: str | None = None
    quantization: str | None = None

    def __attrs_post_init__(self) -> None:
        for name, value, known in (
            ("dtype", self.dtype, _DTYPES),
            ("quantization", self.quantization, _QUANTIZATIONS),
        ):
            if value is not None and value not in known:
                choices = " or ".join(f'"{one}"' for one in known)
                raise UsageError(f"There is no {name} {value!r}.", hint=f"Pass {choices}.", backend="hf")
        if self.quantization is not None and self.dtype in ("bfloat16", "float16"):
            raise UsageError(
                f"quantization={self.quantization!r} holds the rest of the model in float32, "
                f"not in {self.dtype}.",
                hint="Leave dtype out.",
                backend="hf",
            )

    def check(self, device: str, model_id: str) -> None:
        """Refuse what a kind of device cannot do.

        Raises:
            UsageError: It cannot.
        """
        if self.quantization is not None and device != "cpu":
            raise UsageError(
                f"quantization={self.quantization!r} is for the CPU, and the device is {device}.",
                hint='Leave it out, pass device="cpu", or pass a model that is quantized as '
                "custom_config=(tokenizer, model, device).",
                backend="hf",
                model_id=model_id,
            )

    def refuse(self, model_id: str) -> None:
        """Refuse whatever is not the default, for a model that is loaded already.

        Raises:
            UsageError: It is not.
        """
        if self != DEFAULT_PRECISION:
            raise UsageError(
                "custom_config brings a model that is loaded already: dtype and quantization have no "
                "effect on it.",
                hint="Leave them out, or load the model in that way.",
                backend="hf",
                model_id=model_id,
            )


DEFAULT_PRECISION = Precision()
"""What is taken when the caller does not say."""
