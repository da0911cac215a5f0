"""The VGG chapter: its list of layers, and what shared layers do."""

import copy

import pytest
import torch
from chapter import made, num_params
from torch import nn

import d2ltorch as d2lt
from d2ltorch import torchvision


@pytest.mark.parametrize(("name", "column"), [("vgg11", "A"), ("vgg13", "B"), ("vgg16", "D"), ("vgg19", "E")])
def test_the_flat_list_is_torchvisions_and_builds_the_same_layers_as_the_pairs(chapter, name, column):
    entries = chapter.as_list(chapter.vgg_configurations[name])
    assert entries == torchvision.models.vgg.cfgs[column]
    blocks = made("vgg", lambda c: c.vgg(c.vgg_configurations[name])[:5])
    flat = [str(layer) for block in blocks for layer in block]
    assert flat == [str(layer) for layer in made("vgg", lambda c: c.features_from_list(entries))]


def test_a_network_has_no_layer_twice():
    net = made("vgg", lambda c: c.vgg(c.eighth_arch, image_size=32, num_hidden=16))
    modules = [module for _, module in net.named_modules(remove_duplicate=False)]
    assert len({id(module) for module in modules}) == len(modules)


@pytest.mark.parametrize("between", [None, nn.Conv2d(4, 4, 3, padding=1)])
def test_a_layer_called_twice_counts_once_works_twice_and_adds_its_gradients(chapter, between):
    shared, calls = chapter.Twice(4, between), 2 + (between is not None)
    assert num_params(shared) == (calls - 1) * num_params(shared.conv)
    work = d2lt.layer_summary(nn.Sequential(shared.conv), (1, 4, 6, 6)).total_mult_adds
    assert d2lt.layer_summary(shared, (1, 4, 6, 6)).total_mult_adds == calls * work

    first, second = copy.deepcopy(shared.conv), copy.deepcopy(shared.conv)
    X = torch.randn(2, 4, 6, 6)
    shared(X).square().sum().backward()
    second((between or nn.Identity())(first(X))).square().sum().backward()
    torch.testing.assert_close(shared.conv.weight.grad, first.weight.grad + second.weight.grad)
