"""What the machine is and what it does well: devices and their names, number formats, memory habits, quick mode."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import platform
import re
from pathlib import Path

import torch
from torch import nn

from .checks import require, whole_number

PRECISIONS = ("auto", "float32", "bfloat16", "float16")


def try_gpu(i: int = 0) -> torch.device:
    """The device to run on: ``cuda:i`` if there, else Apple's ``mps`` (for i = 0), else ``cpu``."""
    i = whole_number("i", i, 0)
    if torch.cuda.device_count() > i:
        return torch.device("cuda", i)
    if i == 0 and torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def is_quick() -> bool:
    """Whether the environment variable ``D2LTORCH_QUICK`` asks for the tests' short runs."""
    return _asks("D2LTORCH_QUICK")


def is_full(device: torch.device) -> bool:
    """Whether a chapter trains on all images: with a GPU, or where the environment (``D2LTORCH_FULL``) asks for it.

    Without either it takes the part of them that two CPU cores get through in minutes.
    """
    return device.type != "cpu" or _asks("D2LTORCH_FULL")


def _asks(variable: str) -> bool:
    """Whether the environment has ``variable`` set to something else than no."""
    return os.environ.get(variable, "").strip().lower() not in ("", "0", "false", "no", "off")


def usable_device(device: str | torch.device | None) -> torch.device:
    """``device`` as a torch.device on which tensors can be made; ``try_gpu()`` if None."""
    if device is None:
        return try_gpu()
    is_device = isinstance(device, (str, torch.device))
    require(is_device, TypeError, f"device={device!r} is not a device: give 'cpu', 'cuda', 'mps' or try_gpu()")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device={str(device)!r} cannot be used ({reason}): give 'cpu' or try_gpu()") from None
    return torch.device(device)


def report_setup(device: torch.device, *, minutes_cpu: float) -> None:
    """Print versions, the device and, without a GPU, the time that a chapter takes and how to get one.

    Args:
        device: where the chapter will run, as ``try_gpu()`` returns it.
        minutes_cpu: the chapter's time on two CPU cores that multiply bfloat16, in minutes.
    """
    from . import __version__, torchvision

    versions = f"torch {torch.__version__}, torchvision {torchvision.__version__}, d2ltorch {__version__}"
    print(f"Python {platform.python_version()}, {versions}\nDevice: {device_name(device)}")
    if device.type != "cpu":
        return
    print(f"Running every cell takes about {minutes_cpu:g} min on two CPU cores.")
    print("No GPU is attached. In Colab: Runtime > Change runtime type > T4 GPU.")
    if minutes_cpu >= 10 and not cpu_multiplies_bfloat16():
        print("This CPU has no bfloat16 instructions, which those minutes count on: expect several times as long.")


def device_name(device: torch.device) -> str:
    """The device in words, such as ``'NVIDIA H100 80GB HBM3'`` or ``'CPU (Intel Xeon, 2 threads)'``."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU (MPS)"
    threads = torch.get_num_threads()
    return f"CPU ({_cpu_model()}, {threads} thread{'s' * (threads != 1)})"


@functools.cache
def _cpu_info() -> str:
    """Linux's description of the processor; empty elsewhere."""
    with contextlib.suppress(OSError):
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return ""


def _cpu_model() -> str:
    found = re.search(r"^model name\s*:([^@\n]*)", _cpu_info(), re.MULTILINE)
    if not found:
        return platform.processor() or platform.machine()
    return " ".join(re.sub(r"\(R\)|\(TM\)| CPU| Processor", "", found[1]).split())


def cpu_multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16 products (AMX tiles or AVX512-BF16)."""
    return "amx_bf16" in _cpu_info() or "avx512_bf16" in _cpu_info()


def choose_precision(precision: str, device: torch.device, net: nn.Module) -> str:
    """Turn ``"auto"`` into the number format that the device multiplies fastest without hurting accuracy.

    bfloat16 on GPUs from compute capability 8.0 on and on CPUs with instructions for it, there only for networks with a
    convolution of 32 channels or more (below, conversions cost what it saves); float16 on GPUs from 7.0 on, such as the
    T4; float32 elsewhere.
    """
    known = ", ".join(PRECISIONS)
    require(precision in PRECISIONS, ValueError, f"precision={precision!r} is unknown: choose one of {known}")
    if precision != "auto":
        return precision
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        return "bfloat16" if capability >= (8, 0) else "float16" if capability >= (7, 0) else "float32"
    is_wide = any(isinstance(module, nn.Conv2d) and module.out_channels >= 32 for module in net.modules())
    return "bfloat16" if device.type == "cpu" and is_wide and cpu_multiplies_bfloat16() else "float32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """The context in which a forward pass computes in ``precision``, as ``choose_precision`` gives it."""
    if precision == "float32":
        return torch.autocast(device.type, enabled=False)
    return torch.autocast(device.type, dtype=getattr(torch, precision))


@functools.cache
def keep_freed_memory() -> None:
    """Ask glibc's allocator to keep large freed blocks, which every training step asks for again.

    By default each comes back as fresh pages that the system must clear: on an Intel Xeon with two threads, ResNet-18
    trains 1.1 times as fast with this, NiN 1.7 times. Without glibc it does nothing.
    """
    M_TRIM_THRESHOLD, M_MMAP_MAX, never = -1, -4, 2**31 - 1
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, never)
