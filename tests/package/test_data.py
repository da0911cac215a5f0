"""The data module: reading, batching, resizing, drawing, and every argument that cannot be meant."""

from __future__ import annotations

import itertools
import re
import zlib

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

import d2ltorch as d2lt
from d2ltorch import data, download
from tests.conftest import idx_files

load = d2lt.load_data_fashion_mnist
PROBE_LABELS = [0, 0, 1, 2, 3, 3, 4, 4, 5, 6, 6, 7, 7, 8, 9, 9]


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
        assert iterator.source == f"images of {small_root}, not the published set"
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
    assert d2lt.probe_images(test_iter)[1].tolist() == PROBE_LABELS


def test_only_the_first_examples_are_kept_and_the_source_says_so(small_root):
    train_iter, test_iter = load(8, root=small_root, device="cpu", num_train=20, num_test=9_999)
    assert train_iter.num_examples == 20
    name = f"images of {small_root}, not the published set"
    assert train_iter.source == f"{name}, first 20 of 50"
    assert (test_iter.num_examples, test_iter.source) == (120, name)


def test_the_published_images_are_named_and_so_is_a_part_of_them(real_data):
    train_iter, test_iter = load(256, root=real_data, device="cpu", num_train=300)
    assert (train_iter.source, test_iter.source) == ("Fashion-MNIST, first 300 of 60,000", "Fashion-MNIST")


def test_quick_mode_keeps_512_and_256_and_needs_no_files(tmp_path, monkeypatch):
    monkeypatch.setenv("D2LTORCH_QUICK", "1")
    train_iter, test_iter = load(128, root=tmp_path, device="cpu", num_train=5_000)
    assert train_iter.source == "Fashion-MNIST, quick mode: first 512 of 60,000"
    assert test_iter.source == "Fashion-MNIST, quick mode: first 256 of 10,000"
    assert (train_iter.num_examples, test_iter.num_examples) == (512, 256)
    assert load(128, root=tmp_path, device="cpu", num_train=99)[0].num_examples == 99


@pytest.mark.parametrize(
    ("value", "quick"), [("1", True), ("true", True), ("0", False), ("", False), ("no", False), ("off", False)]
)
def test_what_switches_quick_mode_on(monkeypatch, value, quick):
    monkeypatch.setenv("D2LTORCH_QUICK", value)
    assert d2lt.is_quick() is quick


@pytest.mark.parametrize(
    ("kind", "value", "full"), [("cuda", "", True), ("mps", "", True), ("cpu", "", False), ("cpu", "1", True)]
)
def test_what_makes_a_chapter_train_on_all_images(monkeypatch, kind, value, full):
    monkeypatch.setenv("D2LTORCH_FULL", value)
    assert d2lt.is_full(torch.device(kind)) is full


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
@given(st.integers(1, 70), st.integers(1, 80), st.booleans())
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


def test_passes_in_order_leave_the_random_state_alone():
    iterator = numbered_iter(50, 8, shuffle=True)
    before = torch.get_rng_state()
    assert torch.cat([y for _, y in iterator.in_order()]).tolist() == list(range(50))
    assert torch.equal(torch.get_rng_state(), before)


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
    assert text == f"DataIter(images of {small_root}, not the published set: 50 images of 32×32, batches of 16, on cpu)"


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
        ("train-images-idx3-ubyte", lambda b: b[:-1], "39,215 bytes"),
        ("train-images-idx3-ubyte", lambda b: b[:9], "does not begin"),
        ("t10k-images-idx3-ubyte", lambda b: b"", "does not begin"),
        ("t10k-images-idx3-ubyte", lambda b: b + b"x", "94,097 bytes"),
        ("t10k-labels-idx1-ubyte", lambda b: b[:50], "50 bytes, which is no 120 examples"),
        ("train-labels-idx1-ubyte", lambda b: b"<html>" + b, "does not begin"),
        ("train-labels-idx1-ubyte", lambda b: b[:-1] + bytes([10]), "label 10"),
    ],
)
def test_a_damaged_file_is_named_and_kept(small_root, name, change, expected):
    path, content = damage(small_root, name, change)
    with pytest.raises(d2lt.DataError, match="move it away") as caught:
        load(8, root=small_root, device="cpu")
    assert str(path) in str(caught.value) and expected in str(caught.value)
    assert path.read_bytes() == content


@pytest.fixture
def published_root(small_root, monkeypatch):
    """The small files, as if they were the published ones."""
    published = {
        name: (int.from_bytes(content[4:8], "big"), "", zlib.crc32(content)) for name, content in idx_files().items()
    }
    monkeypatch.setattr(download, "PUBLISHED", published)
    assert load(8, root=small_root, device="cpu")[0].source.startswith("Fashion-MNIST")
    return small_root


def test_a_changed_byte_in_a_published_file_is_found(published_root):
    damage(published_root, "train-images-idx3-ubyte", lambda b: b[:99] + bytes([b[99] ^ 1]) + b[100:])
    with pytest.raises(d2lt.DataError, match="have changed"):
        load(8, root=published_root, device="cpu")


@pytest.mark.parametrize("kinds", [["labels-idx1"], ["images-idx3"], ["labels-idx1", "images-idx3"]], ids=str)
def test_swapped_files_are_refused(published_root, kinds):
    raw = published_root / "FashionMNIST" / "raw"
    for kind in kinds:
        train, test = raw / f"train-{kind}-ubyte", raw / f"t10k-{kind}-ubyte"
        content = train.read_bytes()
        train.write_bytes(test.read_bytes())
        test.write_bytes(content)
    with pytest.raises(d2lt.DataError, match="misplaced: it holds what belongs into t10k"):
        load(8, root=published_root, device="cpu")


def test_a_label_too_few_is_refused(small_root):
    damage(small_root, "train-labels-idx1-ubyte", lambda b: b[:7] + bytes([49]) + b[8:-1])
    with pytest.raises(d2lt.DataError, match="50 images but 49 labels"):
        load(8, root=small_root, device="cpu")


# The sample


def test_without_files_and_network_the_sample_stands_in_and_says_so(tmp_path, offline, capsys):
    train_iter, test_iter = load(64, root=tmp_path / "none", device="cpu", num_train=100)
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "Fashion-MNIST cannot be fetched" in captured.out and "stand in" in captured.out
    assert train_iter.source == "Fashion-MNIST, first 100 of 60,000"
    assert test_iter.source == "Fashion-MNIST, first 1,000 of 10,000"


def test_the_sample_is_the_beginning_of_the_published_images(real_data, sample):
    for part, whole in zip(sample, load(64, root=real_data, device="cpu")):
        assert part.num_examples in (5_000, 1_000)
        assert torch.equal(part.images, whole.images[: part.num_examples])
        assert torch.equal(part.labels, whole.labels[: part.num_examples])


# Probe images, names, pictures, devices


def test_probe_images_cover_all_classes_at_every_size(sample):
    _, test_iter = sample
    X, y = d2lt.probe_images(test_iter)
    assert X.shape == (16, 1, 28, 28)
    assert y.tolist() == PROBE_LABELS and set(PROBE_LABELS) == set(range(10))
    larger = d2lt.DataIter(test_iter.images[:256], test_iter.labels[:256], 64, resize=96)
    Z, z = d2lt.probe_images(larger)
    assert Z.shape == (16, 1, 96, 96)
    assert torch.equal(y, z)
    assert len(set(data.PROBE_INDICES)) == 16
    assert max(data.PROBE_INDICES) < 256


def test_tall_images_are_smoothed_when_their_height_shrinks():
    images = torch.randint(0, 256, (1, 1, 160, 20), dtype=torch.uint8)
    X, _ = d2lt.DataIter(images, torch.zeros(1, dtype=torch.int64), 1, resize=40).examples([0])
    torch.testing.assert_close(X, F.interpolate(images / 255, (40, 40), mode="bilinear", antialias=True))


def test_probe_images_of_the_wrong_iterator():
    with pytest.raises(TypeError, match=r"data_iter is a list: give d2lt\.DataIter"):
        d2lt.probe_images([1])
    with pytest.raises(ValueError, match="pass test_iter"):
        d2lt.probe_images(numbered_iter(300, 8, shuffle=True))
    with pytest.raises(ValueError, match=r"has 20 images.*num_test=99"):
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
    with pytest.raises(TypeError, match="batch_size=tensor"):
        numbered_iter(4, torch.tensor(True))
    with pytest.raises(TypeError, match="shuffle='no' is neither True nor False"):
        numbered_iter(4, 2, shuffle="no")


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (torch.full((4, 1, 28, 28), 255.0), torch.arange(4), "images has the type torch.float32: give uint8"),
        (np.zeros((4, 1, 28, 28), np.uint8), torch.arange(4), "images is a ndarray"),
        (torch.zeros(4, 28, 28, dtype=torch.uint8), torch.arange(4), r"images has the shape \(4, 28, 28\)"),
        (torch.zeros(0, 1, 28, 28, dtype=torch.uint8), torch.arange(0), r"images has the shape \(0, "),
        (torch.zeros(4, 1, 28, 28, dtype=torch.uint8), torch.arange(3), r"labels has the shape \(3,\) for 4 images"),
        (torch.zeros(4, 1, 28, 28, dtype=torch.uint8), torch.arange(4.0), "labels has the type torch.float32"),
        (torch.zeros(4, 1, 28, 28, dtype=torch.uint8), torch.arange(4) - 1, "labels has a -1"),
        (torch.zeros(4, 1, 28, 28, dtype=torch.uint8), [0, 1, 2, 3], "labels is a list"),
    ],
)
def test_images_and_labels_that_cannot_be_meant(images, labels, words):
    with pytest.raises((TypeError, ValueError), match=words):
        d2lt.DataIter(images, labels, 2)


def test_labels_of_any_whole_type_and_images_in_colour():
    images = torch.zeros(4, 3, 28, 20, dtype=torch.uint8)
    data_iter = d2lt.DataIter(images, torch.tensor([0, 1, 2, 6], dtype=torch.uint8), 4)
    X, y = next(iter(data_iter))
    assert X.shape == (4, 3, 28, 20) and y.dtype == torch.int64 and data_iter.num_classes == 7


@pytest.mark.parametrize(
    "indices", [[1.5], torch.tensor([1.5]), [True], [200], ["a"], 5, torch.tensor(5), torch.arange(100) == 3], ids=str
)
def test_examples_that_do_not_exist(indices):
    with pytest.raises((TypeError, ValueError), match="indices="):
        numbered_iter(100, 8).examples(indices)
