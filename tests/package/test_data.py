"""Data and devices: reading, batching, resizing, and every argument that cannot be meant."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

import d2ltorch as d2lt
from tests.conftest import idx_files

FILES = idx_files()


def load(batch_size, resize=None, *, device="cpu", **options):
    return d2lt.load_data_fashion_mnist(batch_size, resize, device=device, **options)


def numbered_iter(num_examples: int, batch_size: int, **options) -> d2lt.DataIter:
    """Examples that carry their own number as the label (and as their first pixel)."""
    images = torch.zeros(num_examples, 1, 28, 28, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(num_examples) % 256
    return d2lt.DataIter(images, torch.arange(num_examples), batch_size, **options)


# Reading


def test_files_are_read_as_they_are_and_nothing_is_written(small_root, capsys):
    before = {path: path.stat().st_mtime_ns for path in small_root.rglob("*")}
    train_iter, test_iter = load(16, root=small_root)
    assert train_iter.shuffle and not test_iter.shuffle
    for split, iterator in (("train", train_iter), ("t10k", test_iter)):
        pixels = np.frombuffer(FILES[f"{split}-images-idx3-ubyte"], np.uint8, offset=16)
        labels = np.frombuffer(FILES[f"{split}-labels-idx1-ubyte"], np.uint8, offset=8)
        assert np.array_equal(iterator.images.numpy().ravel(), pixels)
        assert iterator.images.shape[1:] == (1, 28, 28) and iterator.images.dtype == torch.uint8
        assert iterator.labels.tolist() == labels.tolist() and iterator.labels.dtype == torch.int64
        assert iterator.device == torch.device("cpu") and iterator.num_classes == 10
    assert {path: path.stat().st_mtime_ns for path in small_root.rglob("*")} == before
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_root_comes_from_the_environment_and_sizes_may_be_numpy_numbers(small_root, monkeypatch):
    monkeypatch.setenv("D2LTORCH_DATA", str(small_root))
    train_iter, _ = load(np.int64(8), np.int32(32))
    assert train_iter.num_examples == 50 and next(iter(train_iter))[0].shape == (8, 1, 32, 32)


def test_the_real_images_have_the_published_statistics_and_begin_with_the_sample(real_data, sample):
    train_iter, test_iter = whole = load(256, root=real_data)
    assert (train_iter.source, test_iter.source) == ("Fashion-MNIST", "Fashion-MNIST")
    assert train_iter.labels.bincount().tolist() == [6_000] * 10 and test_iter.num_examples == 10_000
    assert (train_iter.images[:2_000] / 255).mean() == pytest.approx(0.286, abs=0.005)
    for part, published, count in zip(sample, whole, (5_000, 1_000)):
        assert torch.equal(part.images, published.images[:count])
        assert torch.equal(part.labels, published.labels[:count])


def test_only_the_first_examples_are_kept_and_the_source_says_so(small_root):
    train_iter, test_iter = load(8, 28, root=small_root, num_train=20, num_test=9_999)
    assert train_iter.resize is None  # they have that size
    assert (train_iter.num_examples, train_iter.source) == (20, "Fashion-MNIST, first 20 of 60,000")
    assert (test_iter.num_examples, test_iter.source) == (120, "Fashion-MNIST, first 120 of 10,000")
    images = "Fashion-MNIST, first 20 of 60,000: 20 images of 28×28"
    assert repr(train_iter) == f"DataIter({images}, batches of 8, on cpu)"


def test_quick_mode_keeps_512_and_256_and_needs_no_files(tmp_path, monkeypatch):
    monkeypatch.setenv("D2LTORCH_QUICK", "1")
    train_iter, test_iter = load(128, root=tmp_path, num_train=5_000)
    assert train_iter.source == "Fashion-MNIST, quick mode: first 512 of 60,000"
    assert test_iter.source == "Fashion-MNIST, quick mode: first 256 of 10,000"
    assert (train_iter.num_examples, test_iter.num_examples) == (512, 256)
    assert load(128, root=tmp_path, num_train=99)[0].num_examples == 99


OTHER = {
    "short": lambda content: content[:-1],
    "a changed bit": lambda content: content[:99] + bytes([content[99] ^ 1]) + content[100:],
    "in another's place": lambda content: FILES["t10k-images-idx3-ubyte"],
}


@pytest.mark.parametrize("change", OTHER.values(), ids=OTHER)
def test_a_file_that_is_not_the_published_one_is_named_and_kept(small_root, change):
    path = small_root / "FashionMNIST" / "raw" / "train-images-idx3-ubyte"
    content = change(path.read_bytes())
    path.write_bytes(content)
    with pytest.raises(d2lt.DataError, match=f"{path} is damaged, or not the published file: move it away"):
        load(8, root=small_root)
    assert path.read_bytes() == content


# Batches


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(1, 80), st.booleans())
def test_every_pass_holds_every_example_once_with_its_label(num_examples, batch_size, shuffle):
    iterator = numbered_iter(num_examples, batch_size, shuffle=shuffle)
    batches = list(iterator)
    assert len(batches) == len(iterator)
    assert all(len(y) == batch_size for _, y in batches[:-1])
    for X, y in batches:
        assert X.shape == (len(y), 1, 28, 28) and (X.dtype, y.dtype) == (torch.float32, torch.int64)
        torch.testing.assert_close(X[:, 0, 0, 0], y / 255)  # from 0 to 1
    seen = torch.cat([y for _, y in batches]).tolist()
    assert sorted(seen) == list(range(num_examples)) and iterator.num_examples == num_examples
    assert shuffle or seen == sorted(seen)


def test_the_order_follows_the_seed_and_is_another_in_each_pass_even_of_two_at_once():
    iterator = numbered_iter(100, 32, shuffle=True)
    orders = []
    for _ in range(2):
        torch.manual_seed(7)
        pairs = list(zip(iterator, iterator))
        orders.append([torch.cat([pair[side][1] for pair in pairs]).tolist() for side in (0, 1)])
    assert orders[0] == orders[1]
    assert orders[0][0] != orders[0][1]
    assert sorted(orders[0][0]) == sorted(orders[0][1]) == list(range(100))


def test_a_pass_in_order_draws_nothing():
    before = torch.get_rng_state()
    assert torch.cat([y for _, y in numbered_iter(50, 8, shuffle=True).in_order()]).tolist() == list(range(50))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("height", "width"), [(28, 28), (160, 20)])
@pytest.mark.parametrize("size", [20, 96])
def test_resizing_is_bilinear_and_smooths_when_height_or_width_shrinks(height, width, size):
    images = torch.randint(0, 256, (40, 1, height, width), dtype=torch.uint8)
    ((X, _),) = d2lt.DataIter(images, torch.arange(40), 40, resize=size)
    expected = F.interpolate(images / 255, (size, size), mode="bilinear", antialias=size < max(height, width))
    torch.testing.assert_close(X, expected, rtol=0, atol=0)


@pytest.mark.parametrize("indices", [[3, 0, 119], torch.tensor([3, 0, 119]), range(2, 5), [-1], []], ids=str)
def test_examples_are_scaled_and_resized_as_in_a_batch(small_root, indices):
    _, iterator = load(120, 40, root=small_root)
    ((X, y),) = iterator
    A, a = iterator.examples(indices)
    chosen = [int(i) for i in indices]
    assert torch.equal(a, y[chosen])
    torch.testing.assert_close(A, X[chosen])


def test_labels_of_any_whole_type_and_images_in_colour():
    images = torch.zeros(4, 3, 28, 20, dtype=torch.uint8)
    data_iter = d2lt.DataIter(images, torch.tensor([0, 1, 2, 6], dtype=torch.uint8), 4)
    X, y = next(iter(data_iter))
    assert X.shape == (4, 3, 28, 20) and y.dtype == torch.int64 and data_iter.num_classes == 7


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("resize", [None, 20, 96])
def test_batches_on_a_gpu_equal_those_on_the_cpu(small_root, resize):
    for on_cpu, on_gpu in zip(load(16, resize, root=small_root), load(16, resize, root=small_root, device="cuda")):
        torch.manual_seed(1)
        expected = list(on_cpu)
        torch.manual_seed(1)
        for (X, y), (Z, z) in zip(expected, on_gpu):
            assert Z.is_cuda and z.is_cuda
            torch.testing.assert_close(Z.cpu(), X, atol=1e-5, rtol=0)
            assert torch.equal(z.cpu(), y)


# Probe images and names


def test_probe_images_cover_all_classes_at_every_size(sample):
    _, test_iter = sample
    X, y = d2lt.probe_images(test_iter)
    assert X.shape == (16, 1, 28, 28)
    assert y.tolist() == [0, 0, 1, 2, 3, 3, 4, 4, 5, 6, 6, 7, 7, 8, 9, 9]
    Z, z = d2lt.probe_images(d2lt.DataIter(test_iter.images, test_iter.labels, 64, resize=96))
    assert Z.shape == (16, 1, 96, 96) and torch.equal(y, z)
    assert d2lt.probe_images(numbered_iter(99, 8))[1].unique().numel() == 16


def test_names_of_classes():
    assert d2lt.text_labels(9) == ["ankle boot"]
    for several in ([2, 5], torch.tensor([2, 5]), (n for n in (2, 5))):
        assert d2lt.text_labels(several) == ["pullover", "sandal"]


# Devices


@pytest.mark.parametrize(("value", "quick"), [("1", True), ("", False), ("No ", False)])
def test_what_switches_quick_mode_on(monkeypatch, value, quick):
    monkeypatch.setenv("D2LTORCH_QUICK", value)
    assert d2lt.is_quick() is quick


@pytest.mark.parametrize(
    ("kind", "value", "full"), [("cuda", "", True), ("mps", "", True), ("cpu", "", False), ("cpu", "1", True)]
)
def test_what_makes_a_chapter_train_on_all_images(monkeypatch, kind, value, full):
    monkeypatch.setenv("D2LTORCH_FULL", value)
    assert d2lt.is_full(torch.device(kind)) is full


def test_try_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [str(d2lt.try_gpu(i)) for i in range(3)] == ["cuda:0", "cuda:1", "cpu"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert [str(d2lt.try_gpu(i)) for i in range(2)] == ["mps", "cpu"]


@pytest.mark.parametrize(("multiplies", "minutes", "warned"), [(False, 15, True), (True, 15, False), (False, 5, False)])
def test_report_setup_says_how_to_get_a_gpu_and_warns_of_a_slow_cpu(monkeypatch, capsys, multiplies, minutes, warned):
    monkeypatch.setattr(d2lt.device, "cpu_multiplies_bfloat16", lambda: multiplies)
    d2lt.report_setup(torch.device("cpu"), minutes_cpu=minutes)
    text = capsys.readouterr().out
    assert f"about {minutes} min" in text and "T4 GPU" in text and torch.__version__ in text
    assert ("no bfloat16 instructions" in text) == warned


# Arguments that cannot be meant


@pytest.mark.parametrize("name", ["batch_size", "resize", "num_train", "num_test"])
@pytest.mark.parametrize("value", [0, 2.5, True, torch.tensor(True), "a"])
def test_numbers_that_cannot_be_meant(small_root, name, value):
    error = ValueError if type(value) is int else TypeError
    with pytest.raises(error, match=re.escape(f"{name}={value!r}")):
        load(**({"batch_size": 8, "root": small_root} | {name: value}))


def own_iter(**changes):
    arguments = {"images": torch.zeros(4, 1, 28, 28, dtype=torch.uint8), "labels": torch.arange(4), "batch_size": 2}
    return d2lt.DataIter(**(arguments | changes))


UNMEANT = [
    (lambda root: load(8, 7, root=root), ValueError, "resize=7 is too small: give 8 or more"),
    (lambda root: load(8, root=root, device=3), TypeError, "device=3"),
    (lambda root: load(8, root=root, device="gpu"), ValueError, "device='gpu' cannot be used"),
    (lambda root: load(8, root=3), TypeError, "root=3"),
    (lambda root: load(8, root=__file__), ValueError, "is a file"),
    (lambda _: own_iter(images=torch.full((4, 1, 28, 28), 255.0)), TypeError, "images has the type torch.float32"),
    (lambda _: own_iter(images=np.zeros((4, 1, 28, 28), np.uint8)), TypeError, "images is a ndarray"),
    (lambda _: own_iter(images=torch.zeros(4, 28, 28).byte()), ValueError, "images has the shape (4, 28, 28)"),
    (lambda _: own_iter(images=torch.zeros(0, 1, 28, 28).byte()), ValueError, "images has the shape (0, "),
    (lambda _: own_iter(labels=torch.arange(3)), ValueError, "labels has the shape (3,) for 4 images"),
    (lambda _: own_iter(labels=torch.arange(4.0)), TypeError, "labels has the type torch.float32"),
    (lambda _: own_iter(labels=torch.arange(4) - 1), ValueError, "labels has a -1"),
    (lambda _: own_iter(labels=[0, 1, 2, 3]), TypeError, "labels is a list"),
    (lambda _: own_iter(shuffle="no"), TypeError, "shuffle='no' is neither True nor False"),
    (lambda _: own_iter().examples([1.5]), TypeError, "indices="),
    (lambda _: own_iter().examples([4]), ValueError, "indices="),
    (lambda _: own_iter().examples([-5]), ValueError, "indices="),
    (lambda _: own_iter().examples(5), TypeError, "indices="),
    (lambda _: own_iter().examples(torch.arange(4) == 3), TypeError, "indices="),
    (lambda _: d2lt.text_labels(10), ValueError, "y=10 is not a class: give 0 to 9"),
    (lambda _: d2lt.text_labels([3, -1]), ValueError, "y=-1"),
    (lambda _: d2lt.text_labels(torch.tensor([1.5])), TypeError, "y=1.5 is not a whole number"),
    (lambda _: d2lt.probe_images(numbered_iter(300, 8, shuffle=True)), ValueError, "pass test_iter"),
    (lambda _: d2lt.probe_images(numbered_iter(98, 8)), ValueError, "num_test=99"),
    (lambda _: d2lt.try_gpu(-1), ValueError, "i=-1"),
    (lambda _: d2lt.evaluate(torch.nn.Linear(2, 2), [1]), TypeError, "data_iter is a list"),
    (lambda _: d2lt.modern_recipe(weight_decay=-0.1), ValueError, "weight_decay=-0.1"),
    (lambda _: d2lt.modern_recipe(augment="no"), TypeError, "augment='no'"),
]


@pytest.mark.parametrize(("call", "error", "words"), UNMEANT, ids=[words for *_, words in UNMEANT])
def test_what_cannot_be_meant_is_named(small_root, call, error, words):
    with pytest.raises(error, match=re.escape(words)):
        call(small_root)
