"""The training loop against a plain one, and against what happens in a classroom."""

import functools
import hashlib
import io
import itertools
import json
import multiprocessing
import os
import re
import stat
import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import d2ltorch as d2lt
from d2ltorch import recipes
from tests.package.conftest import left_as_found


def make_iters(num_train=100, num_test=53, batch_size=32):
    """Images whose class decides which rows are bright: learnable, small, and never the same batch size at the end."""
    generator = torch.Generator().manual_seed(7)
    iters = []
    for count, shuffle in ((num_train, True), (num_test, False)):
        labels = torch.arange(count) % 10
        images = torch.randint(0, 120, (count, 1, 28, 28), generator=generator)
        for image, label in zip(images, labels):
            image[0, 2 * label : 2 * label + 4] += 120
        images = images.to(torch.uint8)
        iters.append(d2lt.DataIter(images, labels, batch_size, shuffle=shuffle, source="stripes"))
    return iters


def make_net(width=4, dropout=0.0):
    dense = nn.Linear(width * 144, 10)
    return nn.Sequential(nn.Conv2d(1, width, 5, stride=2), nn.ReLU(), nn.Dropout(dropout), nn.Flatten(), dense)


def make_net_with_norm():
    return nn.Sequential(nn.Conv2d(1, 4, 5, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(576, 10))


STRIPES, FEW = make_iters(), make_iters(num_train=32, num_test=10)


def fit(num_epochs=1, lr=0.1, *, net=None, iters=STRIPES, **options):
    """Train without a word; return the network and the history."""
    net = make_net() if net is None else net
    return net, d2lt.train(net, *iters, num_epochs, lr, **({"animator": False} | options))


def run_to(path, num_epochs, **options):
    """A run with everything that a checkpoint must bring back: momentum, dropout and shuffled images."""
    torch.manual_seed(5)
    momentum = functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9)
    return fit(num_epochs, **({"net": make_net(dropout=0.3), "optimizer": momentum, "checkpoint": path} | options))


def weights(net):
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


def no_epoch(X):
    pytest.fail("an epoch began")


# --- the numbers ------------------------------------------------------------------------------------------------------

ADDITIONS = {"label_smoothing": 0.2, "schedule": lambda progress: 1 - progress, "augment": lambda X: X.flip(3)}


@pytest.mark.parametrize("options", [{}, ADDITIONS], ids=["alone", "with smoothing, schedule and augmentation"])
def test_train_equals_the_plain_loop(options):
    torch.manual_seed(1)
    net, history = fit(3, precision="float32", **options)

    torch.manual_seed(1)
    plain, (train_iter, _) = make_net(), STRIPES
    schedule, augment = options.get("schedule", lambda progress: 1), options.get("augment", lambda X: X)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    for epoch in range(3):
        plain.train()
        loss_sum = correct = count = 0.0
        for i, (X, y) in enumerate(train_iter):
            optimizer.param_groups[0]["lr"] = 0.1 * schedule((4 * epoch + i) / 12)
            logits = plain(augment(X))
            loss = F.cross_entropy(logits, y, label_smoothing=options.get("label_smoothing", 0))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(y)
            correct += (logits.argmax(1) == y).sum().item()
            count += len(y)
        assert history.train_loss[epoch] == pytest.approx(loss_sum / count, rel=1e-5)
        assert history.train_acc[epoch] == correct / count
    assert len(history) == 3 and all(rate > 0 for rate in history.examples_per_second)
    assert [(row["epoch"], row["test_acc"]) for row in history.rows()] == list(zip((1, 2, 3), history.test_acc))
    torch.testing.assert_close(weights(net), weights(plain), rtol=1e-4, atol=1e-6)


def test_evaluate_weighs_every_example_the_same_and_leaves_everything_as_it_found_it():
    train_iter, test_iter = make_iters(num_test=53, batch_size=50)  # a last batch of three
    net = make_net_with_norm().train()
    net[2].eval()
    with left_as_found(net):
        loss, accuracy = d2lt.evaluate(net, test_iter)
        d2lt.evaluate(net, train_iter)
    tracked: list[bool] = []
    hook = net.register_forward_hook(lambda _, __, logits: tracked.append(logits.requires_grad))
    d2lt.evaluate(net, test_iter)
    assert tracked == [False, False]  # two batches, without gradients
    hook.remove()
    X, y = test_iter.examples(torch.arange(53))
    logits = net.eval()(X)
    assert loss == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-5)
    assert accuracy == pytest.approx((logits.argmax(1) == y).float().mean().item())


def test_bfloat16_agrees_with_float32_within_the_spread_of_seeds():
    def final_loss(seed, precision):
        torch.manual_seed(seed)
        return fit(4, 0.05, net=make_net(32), iters=make_iters(num_train=200), precision=precision)[1].test_loss[-1]

    seeds = torch.tensor([final_loss(seed, "float32") for seed in range(4)])
    assert abs(final_loss(0, "bfloat16") - seeds[0]) <= 3 * seeds.std().item()


def test_a_history_says_what_auto_precision_chose_and_what_it_learnt_from():
    _, history = fit(net=make_net(32), iters=(STRIPES[0], None))
    assert history.meta["precision"] in ("float32", "bfloat16")
    assert history.meta["precision"] in str(history) and "stripes" in str(history)
    assert history.test_acc == [None]


def two_rates(parameters):
    first, *rest = parameters
    return torch.optim.SGD([{"params": [first], "lr": 0.01}, {"params": rest, "lr": 0.1}], lr=1.0)


@pytest.mark.parametrize(
    ("optimizer", "rates"),
    [
        (None, [0.25]),
        (functools.partial(torch.optim.SGD, lr=0.5), [0.25]),
        (functools.partial(torch.optim.SGD, lr=0.0), [0.25]),
        (two_rates, [0.025, 0.25]),  # groups keep their ratio
    ],
)
def test_the_rate_is_the_one_given(optimizer, rates):
    _, history = fit(lr=0.25, iters=FEW, optimizer=optimizer)
    assert history.meta["lr"] == 0.25
    found = re.findall(r" lr: ([\d.]+)", history.meta["optimizer"])
    assert [float(rate) for rate in found] == pytest.approx(rates)


def test_same_seed_same_history_with_or_without_a_plot_or_evaluations(capsys):
    train_iter, test_iter = STRIPES
    runs = []
    for animator, tested in ((False, test_iter), (True, test_iter), (False, None)):
        torch.manual_seed(3)
        net = make_net(dropout=0.2)
        if animator:
            d2lt.evaluate(net, test_iter)
        _, history = fit(2, net=net, iters=(train_iter, tested), animator=animator)
        runs.append((history.train_loss, history.train_acc, weights(net).tolist()))
    assert runs[0] == runs[1] == runs[2]
    assert capsys.readouterr().out.count("epoch") == 2


def test_quick_mode_stops_after_an_epoch(monkeypatch):
    monkeypatch.setenv("D2LTORCH_QUICK", "1")
    assert len(fit(7)[1]) == 1


def test_no_batch_is_put_into_words(monkeypatch):
    """Not for a message that nobody needs: on a GPU each one would wait for the images."""

    def refuse(tensor):
        raise AssertionError("a tensor was put into words")

    monkeypatch.setattr(torch.Tensor, "__repr__", refuse)
    fit(augment=lambda X: X)


def test_frozen_batch_norm_stays_frozen_and_a_network_in_evaluation_mode_trains():
    net = make_net_with_norm()
    net[1].eval()
    before = net[1].running_mean.clone()
    fit(2, net=net, iters=FEW)
    assert torch.equal(net[1].running_mean, before) and net.training
    net.eval()
    fit(net=net, iters=FEW)
    assert not torch.equal(net[1].running_mean, before)


# --- checkpoints ------------------------------------------------------------------------------------------------------


def test_a_run_resumed_on_another_machine_names_both(tmp_path, monkeypatch):
    for epochs, name in ((1, "CPU (A)"), (2, "CPU (A)"), (3, "CPU (B)"), (4, "CPU (B)"), (4, "CPU (C)")):
        monkeypatch.setattr(d2lt.checkpoint, "device_name", lambda device, name=name: name)
        _, history = run_to(tmp_path / "run.pt", epochs)
    assert history.meta["device_name"] == "CPU (A), then CPU (B)"  # C only read what was finished


def write_for_ever(path, begun):
    """A run that stays in the middle of writing its third checkpoint."""

    def save_and_wait(state, file, save=torch.save):
        save(state, file)
        if len(state["rows"]) == 3:
            file.flush()
            begun.set()
            time.sleep(600)

    torch.save = save_and_wait
    run_to(path, 5)


def test_a_run_killed_in_a_write_and_resumed_ends_bit_for_bit_where_an_unbroken_one_does(tmp_path):
    path, new_process = tmp_path / "run.pt", multiprocessing.get_context("spawn")
    begun = new_process.Event()
    process = new_process.Process(target=write_for_ever, args=(path, begun), daemon=True)
    process.start()
    assert begun.wait(240)
    process.kill()
    process.join()
    assert len(torch.load(path, weights_only=True)["rows"]) == 2
    whole, history = run_to(None, 5)
    resumed, again = run_to(path, 5)
    assert torch.equal(weights(resumed), weights(whole))
    assert (again.train_loss, again.test_acc) == (history.train_loss, history.test_acc)


def assert_refused(path, words, num_epochs=2, **options):
    """The run says why, and leaves the file and the network as they are."""
    content, net = path.read_bytes(), options.pop("net", None) or make_net(dropout=0.3)
    before = weights(net)
    with pytest.raises(d2lt.CheckpointError, match=rf"(?s)run\.pt.*{words}.*file is untouched"):
        run_to(path, num_epochs, net=net, **options)
    assert path.read_bytes() == content and torch.equal(weights(net), before)


def own_images(offset):
    pixels = torch.arange(20 * 784).add(offset).to(torch.uint8).reshape(20, 1, 28, 28)
    return d2lt.DataIter(pixels, torch.arange(20) % 10, 10), None


@pytest.mark.parametrize(
    ("first", "then", "words"),
    [
        ({}, {"net": make_net(width=6)}, r"another network: '0\.bias' is \(4,\) float32 there and \(6,\) float32 here"),
        ({}, {"iters": make_iters(batch_size=16)}, "batch_size was 32 and is 16"),
        ({}, {"lr": 0.05}, "optimizer was"),
        ({"num_epochs": 3}, {}, "holds 3 epochs already, and num_epochs=2"),
        ({"iters": own_images(0)}, {"iters": own_images(1)}, r"source was 'images of your own \(\w{8}\)' and is"),
        ({"iters": (STRIPES[0], None)}, {}, "tested_on was None and is '53 of stripes'"),
    ],
)
def test_a_checkpoint_of_another_network_or_run_is_refused(tmp_path, first, then, words):
    run_to(tmp_path / "run.pt", **({"num_epochs": 1} | first))
    assert_refused(tmp_path / "run.pt", words, **then)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda state: state["net"].update({"0.bias": torch.zeros(4).half()}), "float16 there and .* float32"),
        (lambda state: state.pop("optimizer"), "it has no .'optimizer'"),
        (lambda state: state["rows"][0].pop("test_acc"), "damaged: 'test_acc'"),
    ],
)
def test_a_checkpoint_of_another_make_is_refused(tmp_path, edit, words):
    path = tmp_path / "run.pt"
    run_to(path, 1)
    state = torch.load(path, weights_only=True)
    edit(state)
    torch.save(state, path)
    assert_refused(path, words)


def test_no_missing_end_and_no_changed_bit_goes_unnoticed(tmp_path):
    path = tmp_path / "run.pt"
    expected = weights(run_to(path, 1)[0])
    content = path.read_bytes()
    path.write_bytes(content[:-2000])
    assert_refused(path, "damaged, or not a checkpoint")
    generator = torch.Generator().manual_seed(0)
    refused = 0
    for position in torch.randint(0, len(content), (60,), generator=generator).tolist():
        path.write_bytes(content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :])
        try:
            net, _ = run_to(path, 1)
        except d2lt.CheckpointError:
            refused += 1
        else:  # a bit that nothing reads, in the archive's own padding
            assert torch.equal(weights(net), expected)
    assert refused > 40


class Cosine:
    def __call__(self, progress):
        return np.cos(progress)


def test_numpy_numbers_and_function_objects_can_be_resumed(tmp_path):
    sgd = functools.partial(torch.optim.SGD, lr=np.float64(1), momentum=np.float32(0.9))
    recipe = d2lt.modern_recipe(lr=np.float64(0.1)) | {"optimizer": sgd}
    where = {"iters": make_iters(batch_size=np.int64(32)), "checkpoint": tmp_path / "run.pt"}
    histories = []
    for _ in range(2):  # the second with functions at other addresses, as in another process
        changes = {"schedule": Cosine(), "augment": functools.partial(torch.mul, other=0.5)}
        histories.append(fit(np.int64(2), **(recipe | changes), **where)[1])
    assert len(histories[1]) == 2 and histories[1].seconds == histories[0].seconds
    assert "0x" not in histories[1].meta["schedule"] + histories[1].meta["augment"]


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "run.pt"
    run_to(path, 1)
    content = path.read_bytes()

    def no_space(state, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", no_space)
    with pytest.raises(d2lt.CheckpointError, match=r"run\.pt.*No space.*Make room") as caught:
        run_to(path, 2)
    assert len(caught.value.history) == 2
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_lies_alone_where_it_is_said_and_has_the_modes_that_the_umask_gives(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".run.pt.part").write_bytes(b"left by a killed process")
    old = os.umask(0o027)
    try:
        run_to("~/run.pt", 1)
    finally:
        os.umask(old)
    assert list(tmp_path.iterdir()) == [tmp_path / "run.pt"]
    assert stat.S_IMODE((tmp_path / "run.pt").stat().st_mode) == 0o640


# --- a classroom ------------------------------------------------------------------------------------------------------


def interrupt(batch):
    """An augmentation during whose ``batch``-th call somebody presses Ctrl-C."""
    calls = itertools.count(1)

    def augment(X):
        if next(calls) == batch:
            raise KeyboardInterrupt
        return X

    return augment


def test_an_interrupt_returns_the_epochs_so_far_and_stops_what_goes_on_where_there_is_none(capsys):
    _, history = fit(5, augment=interrupt(7))
    assert len(history) == 1
    said = capsys.readouterr().out
    assert "Interrupted in epoch 2 of 5" in said and "weights are in the middle of epoch 2" in said
    with pytest.raises(KeyboardInterrupt, match="epoch 1 of 5"):
        fit(5, augment=interrupt(2))


def test_an_interrupt_while_saving_leaves_whole_epochs(tmp_path, monkeypatch, capsys):
    real, saved = torch.save, []

    class InterruptedFile(io.BytesIO):
        def write(self, content):
            if self.tell() > 12_000:
                raise KeyboardInterrupt  # of which torch.save makes a RuntimeError
            return super().write(content)

    def second_is_interrupted(state, file):
        saved.append(state)
        real(state, file if len(saved) == 1 else InterruptedFile())

    monkeypatch.setattr(torch, "save", second_is_interrupted)
    net, history = fit(3, checkpoint=tmp_path / "run.pt")
    assert len(history) == 2 and torch.equal(net[0].weight, saved[1]["net"]["0.weight"])
    assert "history has the 2 finished, and so have the weights" in capsys.readouterr().out
    assert len(torch.load(tmp_path / "run.pt")["rows"]) == 1


class FullMemory(nn.Linear):
    def forward(self, X):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_a_diverged_run_is_an_error_and_is_never_saved(tmp_path):
    net = make_net()  # its weights become NaN in a step although the loss was finite
    net[4].weight.register_hook(lambda gradient: gradient * float("nan"))
    with pytest.raises(FloatingPointError, match=r"4\.weight is not finite in epoch 1.*lr=.*schedule.*augment"):
        fit(2, net=net, iters=FEW, checkpoint=tmp_path / "run.pt")
    assert list(tmp_path.iterdir()) == []


class NaNInEvaluation(nn.Linear):
    def forward(self, X):
        return super().forward(X.flatten(1)) if self.training else torch.full((len(X), 10), float("nan"))


def test_an_evaluation_that_is_not_finite_is_an_error():
    with pytest.raises(FloatingPointError, match="the test loss is not finite in epoch 1"):
        fit(net=NaNInEvaluation(784, 10), iters=FEW)


def test_a_last_batch_of_one_under_batch_norm_is_found_before_the_first_epoch():
    iters = make_iters(num_train=97)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.BatchNorm1d(10))
    with (
        left_as_found(net),
        pytest.raises(ValueError, match=r"batch_size=32 leaves a last batch of one of 97 .*give batch_size=33"),
    ):
        fit(net=net, iters=iters, augment=no_epoch)
    wide = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(784, 10))  # 784 values a channel are enough
    assert len(fit(net=wide, iters=iters)[1]) == 1


def dense(num_features, num_classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(num_features, num_classes))


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"net": "lenet"}, TypeError, "net='lenet'.*give one, such as lenet"),
        ({"net": nn.Flatten()}, ValueError, "no parameter to train"),
        ({"net": dense(784, 9)}, ValueError, "9 logits.*num_classes=10"),
        ({"net": dense(700, 10)}, ValueError, r"Linear \(1\).*takes 700 features and got 784"),
        ({"net": nn.Conv2d(1, 10, 3)}, ValueError, r"\(32, 10, 26, 26\) for 32 examples"),
        ({"net": FullMemory(1, 10)}, MemoryError, r"batch_size=32: halve it.*resize="),
        ({"net": make_net().half()}, ValueError, r"not float32 \(0\.weight is float16\): net\.float\(\)"),
        ({"train_iter": torch.utils.data.DataLoader([1])}, TypeError, "train_iter is a DataLoader: give d2lt.DataIter"),
        ({"test_iter": 3}, TypeError, "test_iter is a int"),
        ({"train_iter": FEW[1], "test_iter": FEW[0]}, ValueError, "train_iter is in order and test_iter is shuffled"),
        ({"num_epochs": 0}, ValueError, "num_epochs=0"),
        ({"lr": "0.1"}, TypeError, "lr='0.1'"),
        ({"lr": 0}, ValueError, "lr=0.0 must be a positive number such as 0.1"),
        ({"lr": float("nan")}, ValueError, "lr=nan"),
        ({"lr": float("inf")}, ValueError, "lr=inf"),
        (
            {"lr": 1e30, "train_iter": STRIPES[0]},
            FloatingPointError,
            r"in batch \d+ the loss is not finite in epoch 1: .*lr=1e\+30",
        ),
        ({"label_smoothing": 1.0}, ValueError, "label_smoothing=1.0"),
        ({"label_smoothing": -0.1}, ValueError, "label_smoothing=-0.1"),
        ({"precision": "half"}, ValueError, "precision='half'"),
        ({"optimizer": torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.1)}, TypeError, "(?s)optimizer=SGD.*lambda"),
        ({"optimizer": lambda _: torch.optim.SGD(make_net().parameters())}, ValueError, "4 parameters that are not"),
        ({"optimizer": lambda parameters: list(parameters)}, TypeError, "optimizer returned"),
        ({"schedule": 0.5}, TypeError, "schedule=0.5"),
        ({"schedule": lambda progress: -1.0}, ValueError, "schedule's factor=-1"),
        ({"schedule": lambda progress: None}, TypeError, "schedule's factor=None"),
        ({"augment": torch.zeros(1)}, TypeError, "augment=tensor"),
        ({"augment": lambda X: None}, TypeError, "augment returned None: let it return the images"),
        ({"checkpoint": 3}, TypeError, "checkpoint=3"),
        ({"checkpoint": "."}, ValueError, "checkpoint='.' is a folder"),
        ({"checkpoint": f"{__file__}/run.pt", "augment": no_epoch}, d2lt.CheckpointError, "cannot be written there "),
        ({"device": "gpu"}, ValueError, "device='gpu'"),
        ({"animator": "yes"}, TypeError, "animator='yes' is neither True nor False"),
    ],
)
def test_what_cannot_be_meant_or_trained_is_named(changes, error, words):
    torch.manual_seed(0)
    arguments = dict(net=make_net(), train_iter=FEW[0], test_iter=FEW[1], num_epochs=1, lr=0.1, animator=False)
    with pytest.raises(error, match=words):
        d2lt.train(**(arguments | changes))


# --- the recipes ------------------------------------------------------------------------------------------------------


def test_modern_recipe_trains_and_decays_only_matrices():
    torch.manual_seed(0)
    recipe = d2lt.modern_recipe(lr=0.01)
    _, history = fit(6, net=make_net(8), iters=make_iters(num_train=200), **recipe)
    assert history.test_acc[-1] > 0.5
    optimizer = recipe["optimizer"](make_net().parameters())
    for group in optimizer.param_groups:
        assert all((p.dim() > 1) == (group["weight_decay"] > 0) for p in group["params"])
    assert recipe["schedule"](0.1) == pytest.approx(1) and recipe["schedule"](1.0) == pytest.approx(0, abs=1e-12)


def test_the_recipe_moves_and_mirrors_pixels_and_invents_none():
    torch.manual_seed(0)
    X = torch.zeros(64, 1, 28, 28)
    X[:, 0, 10:14, 5:9] = 1
    moved = d2lt.modern_recipe()["augment"](X)
    assert moved.shape == X.shape
    torch.testing.assert_close(moved.sum((1, 2, 3)), X.sum((1, 2, 3)))  # the patch never leaves the picture
    columns = (moved.sum((1, 2)) > 0).float().argmax(1)
    assert (columns < 14).any() and (columns > 14).any()  # mirrored and not
    assert len(set(columns.tolist())) > 3  # shifted by several amounts


def test_init_xavier_follows_the_paper_and_initialises_a_whole_network_once():
    def fresh():
        torch.manual_seed(0)
        return nn.Sequential(nn.Sequential(nn.Linear(300, 100)), nn.ReLU(), nn.Linear(100, 10))

    applied, called = fresh().apply(d2lt.init_xavier), fresh()
    d2lt.init_xavier(called)
    assert torch.equal(weights(applied), weights(called)) and not called[2].bias.any()
    assert called[0][0].weight.std().item() == pytest.approx((2 / 400) ** 0.5, rel=0.02)
    with pytest.raises(ValueError, match="lazy"):
        nn.Sequential(nn.LazyLinear(3)).apply(d2lt.init_xavier)


def test_trained_weights_are_loaded_checked_and_named(tmp_path, monkeypatch, capsys):
    net = make_net().half()
    torch.save({"state_dict": net.state_dict()}, tmp_path / "tiny.pt")
    digest = hashlib.sha256((tmp_path / "tiny.pt").read_bytes()).hexdigest()
    row = {"network": "tiny", "recipe": "modern", "epochs": 10, "seed": 2}
    entry = {"file": "tiny.pt", "sha256": digest, "test_acc": 0.9, "row": row}
    missing = {"file": None, "asset": "large.pt", "sha256": digest, "row": row}
    (tmp_path / "weights.json").write_text(json.dumps({"tiny": entry, "large": missing}))
    places = {"REGISTRY": tmp_path / "weights.json", "WEIGHTS": tmp_path, "REPOSITORY": "http://127.0.0.1:9"}
    for name, value in places.items():
        monkeypatch.setattr(recipes, name, value)
    target = make_net()
    assert d2lt.load_trained(target, "tiny") and not target.training
    assert torch.equal(weights(target), weights(net).float())
    assert "tiny: modern recipe, 10 epochs, seed 2; test accuracy 0.900" in capsys.readouterr().out
    with left_as_found(target):
        assert not d2lt.load_trained(target, "large")
    assert "weights of large could not be fetched" in capsys.readouterr().out
    with pytest.raises(ValueError, match="name='x' is unknown: choose one of tiny, large"):
        d2lt.load_trained(target, "x")
    with pytest.raises(ValueError, match=r"not the tiny of its chapter: '0\.bias' differs"):
        d2lt.load_trained(make_net(width=6), "tiny")
    (tmp_path / "tiny.pt").write_bytes(b"other")
    with pytest.raises(ValueError, match="damaged"):
        d2lt.load_trained(target, "tiny")
