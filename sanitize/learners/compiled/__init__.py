"""Networks whose training is machine code of our own, for the processors that have the instructions for it.

`cnn` drives one network; `steps` are its layers, forward and back, image by image, `batches` what goes on between them;
`products` and `sweeps` are the inner loops, in terms of LLVM (`llvm`). `engine` puts it to work on a table.
"""

from __future__ import annotations

import torch


def usable() -> bool:
    """Whether this processor multiplies bfloat16, 32 at a time, and numba compiles for it."""
    if not torch.cpu._is_avx512_bf16_supported():
        return False
    from sanitize.learners.compiled.llvm import served  # the compiler: not for those who do without

    return served()
