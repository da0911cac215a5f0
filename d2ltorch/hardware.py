"""What the machine is and what it does well: the device's name, its number format, its memory habits."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import platform
import sys
from pathlib import Path

import torch
from torch import nn

PRECISIONS = ("auto", "float32", "bfloat16", "float16")


def report_setup(device: torch.device, *, minutes_t4: float, minutes_cpu: float) -> None:
    """Print versions, the device, the time that a chapter takes on it and, without a GPU, how to get one.

    Args:
        device: where the chapter will run, as ``try_gpu()`` returns it.
        minutes_t4: the chapter's time on Colab's free T4, in minutes.
        minutes_cpu: its time on two CPU cores that multiply bfloat16, in minutes.
    """
    from . import __version__, torchvision

    print(
        f"Python {platform.python_version()}, torch {torch.__version__}, "
        f"torchvision {torchvision.__version__}, d2ltorch {__version__}"
    )
    print(f"Device: {device_name(device)}")
    minutes = minutes_cpu if device.type == "cpu" else minutes_t4
    reference = "two CPU cores" if device.type == "cpu" else "a T4"
    print(f"Running every cell takes about {minutes:g} min on {reference}.")
    if device.type == "cpu":
        print(
            f"No GPU is attached; with one (T4) it takes about {minutes_t4:g} min. "
            "In Colab: Runtime > Change runtime type > T4 GPU."
        )
        if minutes_cpu >= 20 and not cpu_multiplies_bfloat16():
            print(
                "This CPU has no bfloat16 instructions, which those minutes count on: expect several times as long. "
                "num_train=12_000 in the line that loads the images takes a fifth of it."
            )


def device_name(device: torch.device) -> str:
    """The device in words, such as ``'NVIDIA H100 80GB HBM3'`` or ``'CPU (Intel Xeon, 2 threads)'``."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU (MPS)"
    threads = torch.get_num_threads()
    return f"CPU ({_cpu_model()}, {threads} thread{'s' * (threads != 1)})"


@functools.cache
def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].split("@")[0]
                for mark in ("(R)", "(TM)", " CPU", " Processor"):
                    name = name.replace(mark, "")
                return " ".join(name.split())
    return platform.processor() or platform.machine()


def choose_precision(precision: str, device: torch.device, net: nn.Module) -> str:
    """Turn ``"auto"`` into the number format that the device multiplies fastest without hurting accuracy.

    bfloat16 on GPUs of compute capability 8.0 and later and on CPUs with AMX or AVX512-BF16, there only for networks
    with a convolution of 32 channels or more (below, the conversions cost what the multiplications save);
    float16 on older GPUs from compute capability 7.0 on, such as the T4; float32 elsewhere.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision={precision!r} is unknown: choose one of {', '.join(PRECISIONS)}")
    if precision != "auto":
        return precision
    if device.type == "cuda":
        capability = torch.cuda.get_device_capability(device)
        return "bfloat16" if capability >= (8, 0) else "float16" if capability >= (7, 0) else "float32"
    if device.type == "cpu" and cpu_multiplies_bfloat16():
        widths = [module.out_channels for module in net.modules() if isinstance(module, nn.Conv2d)]
        return "bfloat16" if max(widths, default=0) >= 32 else "float32"
    return "float32"


@functools.cache
def cpu_multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16 products (AMX tiles or AVX512-BF16)."""
    flags = ""
    with contextlib.suppress(OSError):
        flags = Path("/proc/cpuinfo").read_text()
    return "amx_bf16" in flags or "avx512_bf16" in flags


@functools.cache
def keep_freed_memory() -> None:
    """Ask glibc's allocator to keep large freed blocks instead of returning them to the system after every layer.

    A training step frees and asks for the same hundreds of megabytes again and again; by default each block comes
    back as fresh pages that the system must clear. Linux with glibc only; elsewhere this does nothing.
    """
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        return
    M_TRIM_THRESHOLD, M_MMAP_MAX, never = -1, -4, 2**31 - 1
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, never)
