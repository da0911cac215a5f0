"""What the tests of the package share: a clean start, no figure left open, and a network left as it was found."""

import contextlib

import matplotlib.pyplot as plt
import pytest
import torch


@pytest.fixture(autouse=True)
def clean_start(monkeypatch):
    """Full mode, matplotlib's own style."""
    monkeypatch.delenv("D2LTORCH_QUICK", raising=False)
    with plt.rc_context():
        plt.rcdefaults()
        yield
    plt.close("all")


@contextlib.contextmanager
def left_as_found(net):
    """What happens inside must change neither ``net`` nor the random state."""
    modes, rng = [module.training for module in net.modules()], torch.get_rng_state()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    places = {name: value.data_ptr() for name, value in net.state_dict().items()}
    yield
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())
    assert {name: value.data_ptr() for name, value in net.state_dict().items()} == places
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
    assert torch.equal(torch.get_rng_state(), rng)
