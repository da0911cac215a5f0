"""What only an NVIDIA GPU can show; elsewhere these tests are skipped."""

import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

import d2ltorch as d2lt
from d2ltorch import training

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


def images(count: int, size: int | None = None, batch_size: int = 32) -> d2lt.DataIter:
    pixels = torch.randint(0, 256, (count, 1, 28, 28), dtype=torch.uint8, device="cuda")
    return d2lt.DataIter(pixels, torch.arange(count) % 10, batch_size, resize=size, shuffle=True, source="noise")


def make_net(width: int = 8) -> nn.Module:
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)
    return nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.ReLU(), *head)


def test_float16_skips_the_steps_that_overflow_and_goes_on():
    """The first scale of the loss is 65,536: the gradients of bright images overflow until it has been halved."""
    net = make_net()
    history = d2lt.train(
        net, images(640), None, 1, 0.01, precision="float16", augment=lambda X: 1000 * X, animator=False
    )
    assert history.meta["precision"] == "float16" and all(p.isfinite().all() for p in net.parameters())


def test_a_full_gpu_says_what_to_halve():
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(2**29 / total)
    try:
        with pytest.raises(MemoryError, match="batch_size=256: halve it"):
            d2lt.train(make_net(64), images(256, 224, 256), None, 1, 0.1, animator=False)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("recipe", [{"lr": 0.1}, d2lt.modern_recipe()], ids=["plain", "modern"])
def test_the_gpu_is_waited_for_before_and_after_an_epoch_alone(monkeypatch, precision, recipe):
    """For the order of the images, and for the sums; not for any of the 20 batches between."""
    learn = training._learn

    def watched(*args):
        torch.cuda.set_sync_debug_mode("warn")
        try:
            return learn(*args)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    net, train_iter = make_net(), images(640)
    d2lt.train(net, train_iter, None, 1, **recipe, precision=precision, animator=False)
    monkeypatch.setattr(training, "_learn", watched)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        d2lt.train(net, train_iter, None, 1, **recipe, precision=precision, animator=False)
    assert sorted(Path(w.filename).name for w in seen if Path(w.filename).parent.name == "d2ltorch") == [
        "data.py",
        "training.py",
    ]
