"""What decides on a result's last bit besides the code: the processor, as the libraries that compute see and use it.

Vector instructions of another width add in another order, so that bytes differ between AVX2 and AVX512, and between
machine code that a library has for one maker's processors and for another's.
"""

from __future__ import annotations

import os
import platform
import re
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
VECTORS = re.compile(r"sse|ssse|avx|fma|f16c|amx|asimd|sve|bf16|i8mm|fphp|vsx|rvv")
# Settings by which libraries leave out instructions that the processor has.
CHOSEN = re.compile(
    r"ATEN_CPU_CAPABILITY|MKL_(CBWR|ENABLE_INSTRUCTIONS|DEBUG_CPU_TYPE)|(ONEDNN|DNNL)_MAX_CPU_ISA|"
    r"(ONEDNN|DNNL)_DEFAULT_FPMATH_MODE|OPENBLAS_CORETYPE|NPY_(DISABLE|ENABLE)_CPU_FEATURES|"
    r"NUMBA_(CPU_NAME|CPU_FEATURES|DISABLE_JIT|OPT)"
)


@cache
def processor() -> str:
    """One line of words: maker, architecture, vector instructions, and how PyTorch and the environment narrow them.

    Two processes with the same line and the same `code_version` give the same bytes for the same task on the CPU.
    """
    import torch  # with 2 s for who does not compute anyway

    about = _told()
    makers = about.get("vendor_id") or about.get("CPU implementer") or ""
    flags = (about.get("flags") or about.get("Features") or "").split()
    parts = [
        makers,
        platform.machine(),
        torch.backends.cpu.get_cpu_capability(),
        *sorted(flag for flag in flags if VECTORS.match(flag)),
        *(f"{name}={os.environ[name]}" for name in sorted(os.environ) if CHOSEN.fullmatch(name)),
    ]
    return " ".join(part for part in parts if part)


def _told() -> dict[str, str]:
    """What the system says about its first processor; {} = nothing."""
    try:
        text = CPUINFO.read_text(errors="replace")
    except OSError:
        return {}
    pairs = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def difference(one: str, other: str) -> str:
    """What two lines of `processor` do not share, in words, for a message."""
    ours, theirs = one.split(), other.split()
    here = " ".join(word for word in ours if word not in theirs) or "nothing"
    there = " ".join(word for word in theirs if word not in ours) or "nothing"
    return f"{here} here, {there} there"
