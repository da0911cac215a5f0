"""The data module: reading, batching, resizing, drawing, and every argument that cannot be meant."""

from __future__ import annotations

import itertools
import re
import zlib

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from conftest import idx_files
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import d2ltorch as d2lt
from d2ltorch import _fetch, data

load = d2lt.load_data_fashion_mnist


@pytest.fixture(autouse=True)
def full_mode(monkeypatch):
    monkeypatch.delenv("D2LTORCH_QUICK", raising=False)


def numbered_iter(num_examples: int, batch_size: int, **options) -> d2lt.DataIter:
    """Examples that carry their own number as the label (and as their first pixel)."""
    images = torch.zeros(num_examples, 1, 28, 28, dtype=torch.uint8)
    images[:, 0, 0, 0] = torch.arange(num_examples) % 256
    return d2lt.DataIter(images, torch.arange(num_examples), batch_size, **options)


# Reading


def test_files_are_read_as_they_are_and_nothing_is_written(small_root, capsys):
    before = {path: path.stat().st_mtime_ns for path in small_root.rglob("*")}
    train_iter, test_iter = load(16, root=small_root, device="cpu")
    files = idx_files()
    for split, iterator in (("train", train_iter), ("t10k", test_iter)):
        pixels = np.frombuffer(files[f"{split}-images-idx3-ubyte"], np.uint8, offset=16)
        labels = np.frombuffer(files[f"{split}-labels-idx1-ubyte"], np.uint8, offset=8)
        assert np.array_equal(iterator.images.numpy().ravel(), pixels)
        assert iterator.labels.tolist() == labels.tolist()
        assert iterator.images.dtype == torch.uint8
        assert iterator.images.shape[1:] == (1, 28, 28)
        assert iterator.labels.dtype == torch.int64
        assert iterator.source == "Fashion-MNIST"
        assert iterator.device == torch.device("cpu")
        assert iterator.num_classes == 10
    assert {path: path.stat().st_mtime_ns for path in small_root.rglob("*")} == before
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_root_comes_from_the_environment(small_root, monkeypatch):
    monkeypatch.setenv("D2LTORCH_DATA", str(small_root))
    assert load(8, device="cpu")[0].num_examples == 50


def test_the_real_images_have_the_published_statistics(real_data):
    train_iter, test_iter = load(256, root=real_data, device="cpu")
    assert (train_iter.num_examples, test_iter.num_examples) == (60_000, 10_000)
    assert train_iter.labels.bincount().tolist() == [6_000] * 10
    pixels = train_iter.images[:2_000].float() / 255
    assert pixels.mean() == pytest.approx(0.286, abs=0.005)
    assert d2lt.probe_images(test_iter)[1].tolist() == list(data.PROBE_LABELS)


def test_only_the_first_examples_are_kept_and_the_source_says_so(small_root):
    train_iter, test_iter = load(8, root=small_root, device="cpu", num_train=20, num_test=9_999)
    assert train_iter.num_examples == 20
    assert train_iter.source == "Fashion-MNIST, first 20 of 50"
    assert (test_iter.num_examples, test_iter.source) == (120, "Fashion-MNIST")


def test_quick_mode_keeps_512_and_256_and_says_so(real_data, monkeypatch):
    monkeypatch.setenv("D2LTORCH_QUICK", "1")
    train_iter, test_iter = load(128, root=real_data, device="cpu", num_train=5_000)
    assert train_iter.source == "Fashion-MNIST, quick mode: first 512 of 60,000"
    assert test_iter.source == "Fashion-MNIST, quick mode: first 256 of 10,000"
    assert (train_iter.num_examples, test_iter.num_examples) == (512, 256)
    assert load(128, root=real_data, device="cpu", num_train=99)[0].num_examples == 99


@pytest.mark.parametrize(("value", "quick"), [("1", True), ("true", True), ("0", False), ("", False), ("no", False)])
def test_what_switches_quick_mode_on(monkeypatch, value, quick):
    monkeypatch.setenv("D2LTORCH_QUICK", value)
    assert d2lt.is_quick() is quick


# Batches


def test_batches_are_images_in_0_to_1_with_their_labels(small_root):
    train_iter, _ = load(16, root=small_root, device="cpu")
    sizes = []
    for X, y in train_iter:
        assert X.dtype == torch.float32
        assert y.dtype == torch.int64
        assert X.shape == (len(y), 1, 28, 28)
        assert 0 <= X.min() < 0.1 and 0.9 < X.max() <= 1
        sizes.append(len(y))
    assert sizes == [16, 16, 16, 2]
    assert len(train_iter) == 4


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 70), st.integers(1, 80), st.booleans())
def test_every_pass_holds_every_example_once(num_examples, batch_size, shuffle):
    iterator = numbered_iter(num_examples, batch_size, shuffle=shuffle)
    batches = [y for _, y in iterator]
    assert len(batches) == len(iterator)
    assert all(len(y) == batch_size for y in batches[:-1])
    seen = torch.cat(batches).tolist() if batches else []
    assert sorted(seen) == list(range(num_examples))
    assert iterator.num_examples == num_examples
    if not shuffle:
        assert seen == sorted(seen)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 40), st.integers(1, 5), st.booleans())
def test_shares_of_all_ranks_make_up_each_batch(num_examples, batch_size, world_size, shuffle):
    iterator = numbered_iter(num_examples, batch_size, shuffle=shuffle)
    torch.manual_seed(3)
    whole = [y for _, y in iterator]
    shares = [iterator.shard(rank, world_size) for rank in range(world_size)]
    parts = []
    for share in shares:
        torch.manual_seed(3)
        parts.append([y for _, y in share])
        assert len(share) == len(iterator)
        assert sum(map(len, parts[-1])) == share.num_examples
    assert sum(share.num_examples for share in shares) == num_examples
    for batch, *of_ranks in zip(whole, *parts):
        for rank, part in enumerate(of_ranks):
            assert part.tolist() == batch[rank::world_size].tolist()


def test_the_order_follows_the_seed_and_changes_from_pass_to_pass():
    iterator = numbered_iter(100, 32, shuffle=True)
    orders = []
    for _ in range(2):
        torch.manual_seed(7)
        orders.append([torch.cat([y for _, y in iterator]).tolist() for _ in range(2)])
    assert orders[0] == orders[1]
    assert orders[0][0] != orders[0][1]


def test_images_stay_with_their_labels():
    for X, y in numbered_iter(100, 32, shuffle=True):
        assert (X[:, 0, 0, 0] * 255).round().long().tolist() == y.tolist()


def test_two_passes_at_once_do_not_disturb_each_other():
    iterator = numbered_iter(50, 8, shuffle=True)
    pairs = list(zip(iterator, iterator))
    for side in (0, 1):
        assert sorted(torch.cat([pair[side][1] for pair in pairs]).tolist()) == list(range(50))


@pytest.mark.parametrize("size", [8, 20, 96])
def test_resizing_is_bilinear_and_smooths_when_it_shrinks(small_root, size):
    _, plain = load(40, root=small_root, device="cpu")
    _, resized = load(40, size, root=small_root, device="cpu")
    for (X, y), (Z, z) in zip(plain, resized):
        expected = F.interpolate(X, (size, size), mode="bilinear", antialias=size < 28)
        assert Z.shape[2:] == (size, size)
        assert torch.equal(y, z)
        torch.testing.assert_close(Z, expected)
    assert resized.resize == size


def test_28_pixels_is_no_resizing(small_root):
    for size in (None, 28):
        _, iterator = load(40, size, root=small_root, device="cpu")
        assert iterator.resize is None
        X, _ = next(iter(iterator))
        assert torch.equal(X, iterator.images[:40] / 255)


def test_batches_come_in_other_types_and_layouts(small_root):
    _, iterator = load(40, 32, root=small_root, device="cpu")
    X, _ = next(iter(iterator))
    Z, _ = next(iterator.batches(dtype=torch.bfloat16, memory_format=torch.channels_last))
    assert Z.dtype == torch.bfloat16
    assert Z.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(Z, X.bfloat16())


def test_examples_are_scaled_and_resized_as_in_a_batch(small_root):
    _, iterator = load(120, 40, root=small_root, device="cpu")
    X, y = next(iter(iterator))
    for indices in ([3, 0, 119], torch.tensor([3, 0, 119]), range(2, 5)):
        A, a = iterator.examples(indices)
        chosen = [int(i) for i in indices]
        assert torch.equal(a, y[chosen])
        torch.testing.assert_close(A, X[chosen])


def test_an_iterator_says_what_it_is(small_root):
    text = repr(load(16, 32, root=small_root, device="cpu")[0])
    assert text == "DataIter(Fashion-MNIST: 50 images of 32×32, batches of 16, on cpu)"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_batches_on_a_gpu_equal_those_on_the_cpu(small_root):
    for resize in (None, 20, 96):
        for on_cpu, on_gpu in zip(
            load(16, resize, root=small_root, device="cpu"),
            load(16, resize, root=small_root, device="cuda"),
        ):
            torch.manual_seed(1)
            expected = list(on_cpu)
            torch.manual_seed(1)
            for (X, y), (Z, z) in zip(expected, on_gpu):
                assert Z.is_cuda and z.is_cuda
                torch.testing.assert_close(Z.cpu(), X, atol=1e-5, rtol=0)
                assert torch.equal(z.cpu(), y)


# Damaged files


def damage(root, name, change):
    path = root / "FashionMNIST" / "raw" / name
    content = change(path.read_bytes())
    path.write_bytes(content)
    return path, content


@pytest.mark.parametrize(
    ("name", "change", "expected"),
    [
        ("train-images-idx3-ubyte", lambda b: b[:-1], "39,216"),
        ("train-images-idx3-ubyte", lambda b: b[:9], "47,040,016"),
        ("t10k-images-idx3-ubyte", lambda b: b"", "7,840,016"),
        ("t10k-images-idx3-ubyte", lambda b: b + b"x", "94,096"),
        ("t10k-labels-idx1-ubyte", lambda b: b[:50], "128"),
        ("train-labels-idx1-ubyte", lambda b: b"<html>" + b, "60,008"),
        ("train-labels-idx1-ubyte", lambda b: b[:-1] + bytes([10]), "label 10"),
    ],
)
def test_a_damaged_file_is_named_and_kept(small_root, name, change, expected):
    path, content = damage(small_root, name, change)
    with pytest.raises(d2lt.DataError) as caught:
        load(8, root=small_root, device="cpu")
    message = str(caught.value)
    assert str(path) in message
    assert f"{len(content):,} bytes" in message
    assert expected in message
    assert "Delete it" in message
    assert path.read_bytes() == content


def test_a_changed_byte_in_a_published_file_is_found(small_root, monkeypatch):
    published = {
        name: (int.from_bytes(content[4:8], "big"), zlib.crc32(content)) for name, content in idx_files().items()
    }
    monkeypatch.setattr(_fetch, "_PUBLISHED", published)
    load(8, root=small_root, device="cpu")
    damage(small_root, "train-images-idx3-ubyte", lambda b: b[:99] + bytes([b[99] ^ 1]) + b[100:])
    with pytest.raises(d2lt.DataError, match="have changed"):
        load(8, root=small_root, device="cpu")


# Drawn garments


def test_without_files_and_network_garments_are_drawn_and_said_to_be(tmp_path, offline, capsys):
    train_iter, test_iter = load(64, root=tmp_path / "none", device="cpu", num_train=100)
    captured = capsys.readouterr()
    assert captured.err == ""
    assert captured.out.count("\n") == 1
    assert re.match(r"Warning: drawn garments stand in for Fashion-MNIST", captured.out)
    assert train_iter.source == "drawn garments, first 100 of 12,000"
    assert test_iter.source == "drawn garments"
    assert list(tmp_path.iterdir()) == []


def test_garments_in_quick_mode(tmp_path, offline, monkeypatch):
    monkeypatch.setenv("D2LTORCH_QUICK", "1")
    train_iter, test_iter = load(64, root=tmp_path, device="cpu")
    assert (train_iter.num_examples, test_iter.num_examples) == (512, 256)
    assert train_iter.source == "drawn garments, quick mode"
    assert d2lt.probe_images(test_iter)[1].tolist() == list(data.PROBE_LABELS)


def test_garments_are_the_same_every_time_and_leave_the_generator_alone():
    labels = torch.arange(60) % 10
    torch.manual_seed(0)
    state = torch.get_rng_state()
    images = data.draw_garments(labels, 5)
    assert torch.equal(images, data.draw_garments(labels, 5))
    assert not torch.equal(images, data.draw_garments(labels, 6))
    assert torch.equal(torch.get_rng_state(), state)
    assert (images.shape, images.dtype) == ((60, 1, 28, 28), torch.uint8)


def test_garments_vary_within_a_class_and_cover_all_classes(garments):
    train_iter, test_iter = garments
    assert (train_iter.num_examples, test_iter.num_examples) == (12_000, 2_000)
    assert train_iter.labels.bincount().tolist() == [1_200] * 10
    for label in range(10):
        images = train_iter.images[train_iter.labels == label].float() / 255
        assert 0.02 < images.mean() < 0.6
        assert images.std(dim=0).max() > 0.15
        assert len(images.unique(dim=0)) == len(images)


def test_lenet_with_relu_passes_080_on_garments(garments):
    train_iter, test_iter = garments
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
        nn.Linear(84, 10),
    )  # fmt: skip
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    accuracy = 0.0
    for _ in range(10):
        for X, y in train_iter:
            optimizer.zero_grad()
            F.cross_entropy(net(X), y).backward()
            optimizer.step()
        with torch.no_grad():
            correct = sum((net(X).argmax(1) == y).sum().item() for X, y in test_iter)
        accuracy = correct / test_iter.num_examples
        if accuracy > 0.8:
            break
    assert accuracy > 0.8


# Probe images, names, pictures, devices


def test_probe_images_cover_all_classes_at_every_size(garments):
    _, test_iter = garments
    X, y = d2lt.probe_images(test_iter)
    assert X.shape == (16, 1, 28, 28)
    assert set(y.tolist()) == set(range(10))
    larger = d2lt.DataIter(test_iter.images[:256], test_iter.labels[:256], 64, resize=96)
    Z, z = d2lt.probe_images(larger)
    assert Z.shape == (16, 1, 96, 96)
    assert torch.equal(y, z)
    assert len(set(data.PROBE_INDICES)) == 16
    assert max(data.PROBE_INDICES) < 256


def test_probe_images_of_the_wrong_iterator():
    with pytest.raises(ValueError, match="pass test_iter"):
        d2lt.probe_images(numbered_iter(300, 8, shuffle=True))
    with pytest.raises(ValueError, match=r"has 20 images.*num_test=256"):
        d2lt.probe_images(numbered_iter(20, 8))


def test_names_of_classes():
    assert d2lt.text_labels(9) == ["ankle boot"]
    assert d2lt.text_labels([0, 1]) == ["t-shirt", "trouser"]
    for several in (torch.tensor([2, 5]), np.array([2, 5]), (n for n in (2, 5))):
        assert d2lt.text_labels(several) == ["pullover", "sandal"]
    assert d2lt.text_labels(torch.tensor(3)) == ["dress"]
    assert d2lt.text_labels([]) == []


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        (11, ValueError, "y=11 is not a class: give 0 to 9"),
        ([3, -1], ValueError, "y=-1"),
        (torch.tensor([1.5]), TypeError, "y=1.5 is not a whole number"),
        ("shirt", TypeError, "y='s'"),
        (None, TypeError, "y=None"),
        (2.0, TypeError, "y=2.0"),
    ],
)
def test_classes_that_do_not_exist(y, error, message):
    with pytest.raises(error, match=re.escape(message)):
        d2lt.text_labels(y)


@pytest.mark.parametrize(
    "images",
    [
        torch.rand(10, 1, 28, 28),
        torch.rand(10, 28, 28, requires_grad=True),
        torch.rand(10, 3, 12, 20),
        torch.randint(0, 256, (10, 1, 28, 28), dtype=torch.uint8),
        torch.randn(10, 1, 8, 8, dtype=torch.bfloat16) * 9,
        np.random.default_rng(0).random((10, 5, 5)),
        [torch.rand(1, 28, 28) for _ in range(10)],
        torch.zeros(10, 28, 28),
    ],
)
def test_images_are_drawn_in_a_grid(images):
    plt.close("all")
    plt.rcdefaults()  # whatever style an earlier test chose
    assert d2lt.show_images(images, [str(i) for i in range(10)], num_cols=4) is None
    (number,) = plt.get_fignums()
    figure = plt.figure(number)
    figure.canvas.draw()
    shown = [ax for ax in figure.axes if ax.images]
    assert len(shown) == 10
    assert len(figure.axes) == 12
    assert [ax.get_title() for ax in shown] == [str(i) for i in range(10)]
    assert figure.get_size_inches()[0] <= 7.001
    for ax in shown:
        assert 0 <= ax.images[0].get_array().min() <= ax.images[0].get_array().max() <= 1
    plt.close("all")


def test_neighbouring_captions_do_not_meet():
    titles = ["ankle boot 100%", "sneaker 57%\n[ankle boot]"] * 2
    d2lt.show_images(torch.rand(4, 28, 28), titles, num_cols=4, scale=1.4)
    figure = plt.gcf()
    figure.canvas.draw()
    boxes = [ax.title.get_window_extent() for ax in figure.axes]
    assert all(left.x1 <= right.x0 for left, right in itertools.pairwise(boxes))
    plt.close("all")


def test_uint8_images_keep_their_brightness():
    d2lt.show_images(torch.full((1, 28, 28), 51, dtype=torch.uint8))
    (image,) = plt.gca().images
    assert image.get_array().max() == pytest.approx(0.2)
    assert image.get_clim() == (0, 1)
    plt.close("all")


@pytest.mark.parametrize(("num_cols", "scale"), [(1, 4), (3, 1), (8, 1), (16, 0.5), (16, 4)])
def test_pictures_never_grow_wider_than_the_page(num_cols, scale):
    d2lt.show_images(torch.rand(16, 28, 28), num_cols=num_cols, scale=scale)
    assert 0 < plt.gcf().get_size_inches()[0] <= 7.001
    plt.close("all")


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((torch.rand(28, 28),), {}, "images has the shape (28, 28)"),
        ((torch.rand(4, 2, 28, 28),), {}, "(4, 2, 28, 28)"),
        ((torch.rand(0, 1, 28, 28),), {}, "(0, 1, 28, 28)"),
        ((torch.rand(4, 28, 28), ["a"]), {}, "titles has 1 entries for 4 images"),
        ((torch.rand(4, 28, 28),), {"num_cols": 0}, "num_cols=0"),
        ((torch.rand(4, 28, 28),), {"scale": -1}, "scale=-1"),
    ],
)
def test_pictures_that_cannot_be_drawn(arguments, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        d2lt.show_images(*arguments, **options)


def test_try_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert d2lt.try_gpu() == torch.device("cuda", 0)
    assert d2lt.try_gpu(1) == torch.device("cuda", 1)
    assert d2lt.try_gpu(2) == torch.device("cpu")
    monkeypatch.setenv("LOCAL_RANK", "1")  # as torchrun sets it for its second process
    assert d2lt.try_gpu() == torch.device("cuda", 1)
    assert d2lt.try_gpu(0) == torch.device("cuda", 0)
    monkeypatch.delenv("LOCAL_RANK")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert d2lt.try_gpu() == torch.device("mps")
    assert d2lt.try_gpu(1) == torch.device("cpu")
    with pytest.raises(ValueError, match="i=-1"):
        d2lt.try_gpu(-1)


# Arguments that cannot be meant


@pytest.mark.parametrize("name", ["batch_size", "resize", "num_train", "num_test"])
@pytest.mark.parametrize("value", [0, -1, 2.5, True, "a", 64.0, [8], float("nan")])
def test_numbers_that_cannot_be_meant(small_root, name, value):
    arguments = {"batch_size": 8, "root": small_root, "device": "cpu", name: value}
    error = ValueError if type(value) is int else TypeError
    with pytest.raises(error, match=re.escape(f"{name}={value!r}")):
        load(**arguments)


@settings(max_examples=15, deadline=None)
@given(st.one_of(st.integers(max_value=7), st.floats(), st.text(), st.booleans(), st.binary()))
def test_sizes_below_eight_pixels_or_of_another_type(value):
    with pytest.raises((ValueError, TypeError), match="resize="):
        load(8, value, root="/nowhere", device="cpu")


def test_whole_numbers_of_other_types_are_fine(small_root):
    train_iter, _ = load(np.int64(8), np.int32(32), root=small_root, device="cpu")
    assert next(iter(train_iter))[0].shape == (8, 1, 32, 32)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cpu0", ""])
def test_devices_that_do_not_exist(small_root, device):
    with pytest.raises(ValueError, match=re.escape(f"device={device!r} cannot be used")):
        load(8, root=small_root, device=device)


def test_other_arguments_that_cannot_be_meant(small_root, tmp_path):
    with pytest.raises(TypeError, match="device=3"):
        load(8, root=small_root, device=3)
    with pytest.raises(TypeError, match="root=3"):
        load(8, root=3)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ValueError, match="is a file"):
        load(8, root=file)
    with pytest.raises(ValueError, match="batch_size=0"):
        numbered_iter(4, 0)
    for rank, world_size in ((2, 2), (-1, 2), (0, 0)):
        with pytest.raises(ValueError, match=r"rank=|world_size="):
            numbered_iter(4, 2).shard(rank, world_size)


def test_images_given_as_floats_stay_as_they_are():
    images = torch.full((4, 1, 28, 28), 255.0)
    data_iter = d2lt.DataIter(images, torch.arange(4), 2)
    for _ in range(2):
        assert all(X.max() == 1 for X, _ in data_iter)
    assert images.min() == 255
