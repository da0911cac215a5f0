"""The training loop against a plain one, and against what happens in a classroom."""

import functools
import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import d2ltorch as d2lt
from d2ltorch import training


def make_iters(num_train=100, num_test=53, batch_size=32, resize=None, seed=7):
    """Images whose class decides which rows are bright: learnable, small, and never the same batch size at the end."""
    generator = torch.Generator().manual_seed(seed)
    iters = []
    for count, shuffle in ((num_train, True), (num_test, False)):
        labels = torch.arange(count) % 10
        images = torch.randint(0, 120, (count, 1, 28, 28), generator=generator)
        for image, label in zip(images, labels):
            image[0, 2 * label : 2 * label + 4] += 120
        images = images.to(torch.uint8)
        iters.append(d2lt.DataIter(images, labels, batch_size, resize=resize, shuffle=shuffle, source="stripes"))
    return iters


def make_net(width=4, dropout=0.0):
    return nn.Sequential(
        nn.Conv2d(1, width, 5, stride=2), nn.ReLU(), nn.Dropout(dropout), nn.Flatten(), nn.Linear(width * 144, 10)
    )


def weights(net):
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()])


@pytest.fixture(autouse=True)
def _full_runs(monkeypatch):
    monkeypatch.delenv("D2LTORCH_QUICK", raising=False)
    monkeypatch.setattr(training, "_interrupted_at", float("-inf"))


# --- the numbers ------------------------------------------------------------------------------------------------------


def test_train_equals_the_plain_loop():
    train_iter, test_iter = make_iters()
    torch.manual_seed(1)
    net = make_net()
    history = d2lt.train(net, train_iter, test_iter, 3, 0.1, precision="float32", animator=False)

    torch.manual_seed(1)
    plain = make_net()
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    for epoch in range(3):
        plain.train()
        loss_sum = correct = count = 0.0
        for X, y in train_iter:
            logits = plain(X)
            loss = F.cross_entropy(logits, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(y)
            correct += (logits.argmax(1) == y).sum().item()
            count += len(y)
        assert history.train_loss[epoch] == pytest.approx(loss_sum / count, rel=1e-5)
        assert history.train_acc[epoch] == correct / count
    torch.testing.assert_close(weights(net), weights(plain), rtol=1e-4, atol=1e-6)


def test_evaluate_weighs_every_example_the_same():
    _, test_iter = make_iters(num_test=53, batch_size=50)  # a last batch of three
    net = make_net().train()
    net[1].eval()
    loss, accuracy = d2lt.evaluate(net, test_iter)
    X, y = test_iter.examples(torch.arange(53))
    with torch.no_grad():
        logits = net(X)
    assert loss == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-5)
    assert accuracy == pytest.approx((logits.argmax(1) == y).float().mean().item())
    assert [module.training for module in net] == [True, False, True, True, True]


def test_evaluation_uses_running_statistics_and_keeps_them():
    _, test_iter = make_iters()
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.LazyLinear(10))
    net(test_iter.examples([0, 1])[0])
    before = net[1].running_mean.clone()
    d2lt.evaluate(net, test_iter)
    torch.testing.assert_close(net[1].running_mean, before, rtol=0, atol=0)


def test_a_network_learns():
    train_iter, test_iter = make_iters(num_train=200)
    torch.manual_seed(0)
    history = d2lt.train(make_net(8), train_iter, test_iter, 8, 0.1, animator=False)
    assert history.test_acc[-1] > 0.95 > history.test_acc[0]
    assert len(history) == 8 and all(rate > 0 for rate in history.examples_per_second)


@pytest.mark.parametrize("precision", ["bfloat16", "float32"])
def test_precisions_agree_within_the_spread_of_seeds(precision):
    train_iter, test_iter = make_iters(num_train=200)

    def final_loss(seed, precision):
        torch.manual_seed(seed)
        return d2lt.train(make_net(32), train_iter, test_iter, 4, 0.05, precision=precision, animator=False).test_loss[
            -1
        ]

    seeds = torch.tensor([final_loss(seed, "float32") for seed in range(4)])
    assert abs(final_loss(0, precision) - seeds[0]) <= max(3 * seeds.std().item(), 1e-6)


def test_auto_precision_is_one_of_the_formats_and_shows():
    train_iter, _ = make_iters()
    history = d2lt.train(make_net(32), train_iter, None, 1, 0.1, animator=False)
    assert history.meta["precision"] in ("float32", "bfloat16")
    assert history.meta["precision"] in str(history) and "stripes" in str(history)
    assert history.test_acc == [None]


def test_label_smoothing_schedule_and_augmentation_reach_the_loop():
    train_iter, test_iter = make_iters()
    rates, seen = [], []
    optimizers = []

    def optimizer(parameters):
        optimizers.append(torch.optim.Adam(parameters, lr=0.01))
        return optimizers[0]

    def schedule(progress):
        rates.append(progress)
        return 1 - progress

    def augment(X):
        seen.append(X.shape)
        return X

    torch.manual_seed(0)
    d2lt.train(
        make_net(), train_iter, test_iter, 2, 0.01, optimizer=optimizer, schedule=schedule, augment=augment,
        label_smoothing=0.2, animator=False,
    )  # fmt: skip
    assert rates == [i / 8 for i in range(8)]
    assert optimizers[0].param_groups[0]["lr"] == pytest.approx(0.01 * (1 - 7 / 8))
    assert len(seen) == 8 and seen[-1][0] == 100 - 3 * 32


def test_modern_recipe_trains_and_decays_only_matrices():
    train_iter, test_iter = make_iters(num_train=200)
    torch.manual_seed(0)
    recipe = d2lt.modern_recipe(lr=0.01)
    history = d2lt.train(make_net(8), train_iter, test_iter, 6, animator=False, **recipe)
    assert history.test_acc[-1] > 0.5
    optimizer = recipe["optimizer"](make_net().parameters())
    for group in optimizer.param_groups:
        assert all((p.dim() > 1) == (group["weight_decay"] > 0) for p in group["params"])
    assert recipe["schedule"](0.1) == pytest.approx(1) and recipe["schedule"](1.0) == pytest.approx(0, abs=1e-12)


def test_shift_and_mirror_moves_pixels_and_invents_none():
    from d2ltorch.recipes import shift_and_mirror

    torch.manual_seed(0)
    X = torch.zeros(64, 1, 28, 28)
    X[:, 0, 10:14, 5:9] = 1
    moved = shift_and_mirror(X)
    assert moved.shape == X.shape
    torch.testing.assert_close(moved.sum((1, 2, 3)), X.sum((1, 2, 3)))  # the patch never leaves the picture
    columns = (moved.sum((1, 2)) > 0).float().argmax(1)
    assert (columns < 14).any() and (columns > 14).any()  # mirrored and not
    assert len(set(columns.tolist())) > 3  # shifted by several amounts


# --- reproducibility --------------------------------------------------------------------------------------------------


def test_same_seed_same_history_with_or_without_a_plot_or_evaluations(capsys):
    train_iter, test_iter = make_iters()
    runs = []
    for animator, tested in ((False, test_iter), (True, test_iter), (False, None)):
        torch.manual_seed(3)
        net = make_net(dropout=0.2)
        if animator:
            d2lt.evaluate(net, test_iter)
        history = d2lt.train(net, train_iter, tested, 2, 0.1, animator=animator)
        runs.append((history.train_loss, history.train_acc, weights(net)))
    for losses, accuracies, final in runs[1:]:
        assert losses == runs[0][0] and accuracies == runs[0][1]
        torch.testing.assert_close(final, runs[0][2], rtol=0, atol=0)
    assert capsys.readouterr().out.count("epoch") == 2


def test_quick_mode_stops_after_an_epoch(monkeypatch):
    monkeypatch.setenv("D2LTORCH_QUICK", "1")
    train_iter, test_iter = make_iters()
    assert len(d2lt.train(make_net(), train_iter, test_iter, 7, 0.1, animator=False)) == 1


# --- checkpoints ------------------------------------------------------------------------------------------------------


def run_to(path, num_epochs, *, net=None, lr=0.1, **arguments):
    torch.manual_seed(5)
    net = net or make_net(dropout=0.3)
    train_iter, test_iter = make_iters(**arguments)
    optimizer = lambda parameters: torch.optim.SGD(parameters, lr=lr, momentum=0.9)  # noqa: E731
    history = d2lt.train(
        net, train_iter, test_iter, num_epochs, lr, optimizer=optimizer, checkpoint=path, animator=False
    )
    return net, history


def test_a_resumed_run_ends_bit_for_bit_where_an_unbroken_one_does(tmp_path):
    whole, history = run_to(None, 4)
    run_to(tmp_path / "run.pt", 2)
    torch.manual_seed(99)  # whatever happened in between
    resumed, again = run_to(tmp_path / "run.pt", 4)
    torch.testing.assert_close(weights(resumed), weights(whole), rtol=0, atol=0)
    assert again.train_loss == history.train_loss and again.test_acc == history.test_acc


def test_a_run_resumed_on_another_machine_names_both(tmp_path, monkeypatch):
    for epochs, name in ((1, "CPU (A)"), (2, "CPU (A)"), (3, "CPU (B)"), (4, "CPU (B)"), (4, "CPU (C)")):
        monkeypatch.setattr(d2lt.checkpoint, "device_name", lambda device, name=name: name)
        _, history = run_to(tmp_path / "run.pt", epochs)
    assert history.meta["device_name"] == "CPU (A), then CPU (B)"  # C only read what was finished


KILLED = """
    import sys, torch
    from torch import nn
    sys.path.insert(0, {tests!r})
    import test_training as test_train, d2ltorch as d2lt
    if {mid_write}:
        real = torch.save
        def slow_save(state, file):
            real(state, file)
            if len(state["rows"]) == 3:
                file.flush(); print("now", flush=True)
                import time; time.sleep(60)
        torch.save = slow_save
    else:
        class Slow(nn.Identity):
            calls = 0
            def forward(self, X):
                Slow.calls += self.training
                if Slow.calls == 11:  # the third epoch's third batch
                    print("now", flush=True)
                    import time; time.sleep(60)
                return X
        test_train.make_net_ = test_train.make_net
        test_train.make_net = lambda **k: test_train.make_net_(**k)
        hook = Slow()
        F = test_train.d2lt.train
        def train(net, *a, **k):
            net.register_forward_pre_hook(lambda module, inputs: (hook.train(module.training)(inputs[0]),))
            return F(net, *a, **k)
        test_train.d2lt.train = train
    test_train.run_to({path!r}, 5)
"""


@pytest.mark.parametrize("mid_write", [False, True], ids=["mid-epoch", "mid-write"])
def test_sigkill_costs_at_most_the_epoch_under_way(tmp_path, mid_write):
    path = tmp_path / "run.pt"
    code = textwrap.dedent(KILLED.format(tests=str(Path(__file__).parent), mid_write=mid_write, path=str(path)))
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == "now"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert len(torch.load(path, weights_only=True)["rows"]) == 2
    whole, history = run_to(None, 5)
    resumed, again = run_to(path, 5)
    torch.testing.assert_close(weights(resumed), weights(whole), rtol=0, atol=0)
    assert again.test_loss == history.test_loss


def test_a_damaged_checkpoint_is_an_error_and_stays_as_it_is(tmp_path):
    path = tmp_path / "run.pt"
    run_to(path, 1)
    for content in (path.read_bytes()[:-2000], b"", b"not a checkpoint"):
        path.write_bytes(content)
        with pytest.raises(d2lt.CheckpointError, match=r"run\.pt.*damaged.*file is untouched"):
            run_to(path, 2)
        assert path.read_bytes() == content


def test_a_checkpoint_of_another_network_or_run_is_an_error_and_stays_as_it_is(tmp_path):
    path = tmp_path / "run.pt"
    run_to(path, 1)
    content = path.read_bytes()
    with pytest.raises(d2lt.CheckpointError, match=r"another network: '0\.bias' is \(4,\) float32 there"):
        run_to(path, 2, net=make_net(width=6))
    with pytest.raises(d2lt.CheckpointError, match="batch_size was 32 and is 16"):
        run_to(path, 2, batch_size=16)
    with pytest.raises(d2lt.CheckpointError, match="optimizer was"):
        run_to(path, 2, lr=0.05)
    assert path.read_bytes() == content


def test_a_checkpoint_of_more_epochs_is_an_error_and_stays_as_it_is(tmp_path):
    train_iter, test_iter = make_iters()
    path = tmp_path / "run.pt"
    d2lt.train(make_net(), train_iter, test_iter, 3, 0.1, checkpoint=path, animator=False)
    content = path.read_bytes()
    with pytest.raises(d2lt.CheckpointError, match="holds 3 epochs already, and num_epochs=2"):
        d2lt.train(make_net(), train_iter, test_iter, 2, 0.1, checkpoint=path, animator=False)
    assert path.read_bytes() == content


class Brighter:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, X):
        return X * self.factor


@pytest.mark.parametrize("augment", [functools.partial(torch.mul, other=0.5), Brighter(0.5)], ids=["partial", "object"])
def test_numpy_numbers_and_function_objects_can_be_resumed(tmp_path, augment):
    train_iter, test_iter = make_iters()
    path = tmp_path / "run.pt"
    settings = dict(
        schedule=lambda progress: np.cos(progress), augment=augment, checkpoint=path, animator=False,
        optimizer=lambda parameters: torch.optim.SGD(parameters, np.float64(0.1)),
    )  # fmt: skip
    d2lt.train(make_net(), train_iter, test_iter, 2, np.float64(0.1), **settings)
    assert "0x" not in torch.load(path, weights_only=True)["meta"]["augment"]
    if isinstance(augment, Brighter):
        settings["augment"] = Brighter(0.5)  # another process has it at another address
    history = d2lt.train(make_net(), train_iter, test_iter, 2, np.float64(0.1), **settings)
    assert len(history) == 2


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


def test_no_changed_bit_goes_unnoticed(tmp_path):
    path = tmp_path / "run.pt"
    run_to(path, 1)
    content = path.read_bytes()
    expected = weights(run_to(None, 2)[0])
    generator = torch.Generator().manual_seed(0)
    refused = 0
    for position in torch.randint(0, len(content), (60,), generator=generator).tolist():
        path.write_bytes(content[:position] + bytes([content[position] ^ 4]) + content[position + 1 :])
        try:
            net, _ = run_to(path, 2)
        except d2lt.CheckpointError:
            refused += 1
        else:  # a bit that nothing reads, in the archive's own padding
            assert torch.equal(weights(net), expected)
    assert refused > 40


@pytest.mark.parametrize("change", ["half", "no optimizer", "no rows", "no column"])
def test_half_precision_and_incomplete_contents_are_refused(tmp_path, change):
    path = tmp_path / "run.pt"
    run_to(path, 1)
    state = torch.load(path, weights_only=True)
    if change == "half":
        state["net"] = {key: value.half() for key, value in state["net"].items()}
    elif change == "no column":
        del state["rows"][0]["test_acc"]
    else:
        del state[change.removeprefix("no ")]
    torch.save(state, path)
    with pytest.raises(
        d2lt.CheckpointError, match=r"run\.pt.*(float16 there and .* float32 here|it has no|damaged: 'test_acc')"
    ):
        run_to(path, 2)


def test_a_run_does_not_go_on_with_other_images_of_the_same_number(tmp_path):
    labels, path = torch.arange(20) % 10, tmp_path / "run.pt"
    first, other = (
        d2lt.DataIter(torch.arange(20 * 784).add(i).to(torch.uint8).reshape(20, 1, 28, 28), labels, 10) for i in (0, 1)
    )
    d2lt.train(make_net(), first, None, 1, 0.1, checkpoint=path, animator=False)
    with pytest.raises(d2lt.CheckpointError, match=r"source was 'images of your own \(\w{8}\)' and is"):
        d2lt.train(make_net(), other, None, 2, 0.1, checkpoint=path, animator=False)


def test_a_run_with_a_test_set_does_not_go_on_from_one_without(tmp_path):
    train_iter, test_iter = make_iters()
    d2lt.train(make_net(), train_iter, None, 1, 0.1, checkpoint=tmp_path / "run.pt", animator=False)
    with pytest.raises(d2lt.CheckpointError, match="tested_on was None and is '53 of stripes'"):
        d2lt.train(make_net(), train_iter, test_iter, 2, 0.1, checkpoint=tmp_path / "run.pt", animator=False)


def test_permission_denied_says_so(tmp_path, monkeypatch):
    path = tmp_path / "run.pt"
    run_to(path, 1)

    def denied(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(torch, "load", denied)
    with pytest.raises(d2lt.CheckpointError, match=r"run\.pt.*Permission denied"):
        run_to(path, 2)


def test_a_checkpoint_has_the_modes_that_the_umask_gives_and_nothing_lies_beside_it(tmp_path):
    path = tmp_path / "run.pt"
    (tmp_path / ".run.pt.part").write_bytes(b"left by a killed process")
    old = os.umask(0o027)
    try:
        run_to(path, 1)
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_to_is_found_before_the_first_epoch(tmp_path):
    (tmp_path / "file").touch()
    train_iter, test_iter = make_iters()
    with pytest.raises(d2lt.CheckpointError, match=r"cannot be written there .*name a file in a folder of yours"):
        d2lt.train(
            make_net(), train_iter, test_iter, 1, 0.1, augment=lambda X: pytest.fail("an epoch began"),
            checkpoint=tmp_path / "file" / "run.pt", animator=False,
        )  # fmt: skip


def test_numpy_sweeps_save_and_resume(tmp_path):
    for lr in np.linspace(0.05, 0.1, 2):
        for epochs in (1, 2):
            torch.manual_seed(0)
            train_iter, test_iter = make_iters(batch_size=np.int64(32))
            recipe = d2lt.modern_recipe(lr=lr, weight_decay=np.float32(0.05))
            path = tmp_path / f"{lr}-{epochs}.pt"
            history = d2lt.train(
                make_net(), train_iter, test_iter, np.int64(epochs), checkpoint=path, animator=False, **recipe
            )
            again = d2lt.train(make_net(), train_iter, test_iter, epochs, checkpoint=path, animator=False, **recipe)
            assert again.seconds == history.seconds and len(history) == epochs


# --- a classroom ------------------------------------------------------------------------------------------------------


def test_a_loss_that_explodes_says_where():
    train_iter, test_iter = make_iters()
    torch.manual_seed(0)
    with pytest.raises(FloatingPointError, match=r"in batch \d+ the loss is not finite in epoch 1: .*lr=1e\+30"):
        d2lt.train(make_net(), train_iter, test_iter, 1, 1e30, animator=False)


class Interrupts:
    """An augmentation during whose n-th batch somebody presses Ctrl-C."""

    def __init__(self, at):
        self.left = at

    def __call__(self, X):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return X


def test_an_interrupt_returns_the_epochs_so_far_and_says_where_the_weights_are(capsys):
    train_iter, test_iter = make_iters()
    history = d2lt.train(make_net(), train_iter, test_iter, 5, 0.1, augment=Interrupts(7), animator=False)
    assert len(history) == 1
    said = capsys.readouterr().out
    assert "Interrupted in epoch 2 of 5" in said and "weights are in the middle of epoch 2" in said


def test_an_interrupt_while_saving_leaves_whole_epochs(tmp_path, monkeypatch, capsys):
    train_iter, test_iter = make_iters()
    real, saved = torch.save, []

    def second_is_interrupted(state, file):
        saved.append(state)
        if len(saved) == 2:
            raise KeyboardInterrupt
        real(state, file)

    monkeypatch.setattr(torch, "save", second_is_interrupted)
    net = make_net()
    history = d2lt.train(net, train_iter, test_iter, 3, 0.1, checkpoint=tmp_path / "run.pt", animator=False)
    assert len(history) == 2 and torch.equal(net[0].weight, saved[1]["net"]["0.weight"])
    assert "history has the 2 finished, and so have the weights" in capsys.readouterr().out


def test_an_interrupt_without_an_epoch_and_a_second_one_stop_what_goes_on(monkeypatch):
    train_iter, test_iter = make_iters()
    with pytest.raises(KeyboardInterrupt, match="epoch 1 of 5"):
        d2lt.train(make_net(), train_iter, test_iter, 5, 0.1, augment=Interrupts(2), animator=False)
    monkeypatch.setattr(training, "_interrupted_at", float("-inf"))
    started = []
    with pytest.raises(KeyboardInterrupt):
        for rate in (0.1, 0.2, 0.3):  # a sweep, interrupted in its first run and again in its second
            started.append(rate)
            d2lt.train(make_net(), train_iter, test_iter, 5, rate, augment=Interrupts(7), animator=False)
    assert started == [0.1, 0.2]


class FullMemory(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(1, 10)

    def forward(self, X):
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_out_of_memory_says_what_to_halve():
    train_iter, _ = make_iters(resize=64)
    with pytest.raises(MemoryError, match=r"batch_size=32: halve it.*resize="):
        d2lt.train(FullMemory(), train_iter, None, 1, 0.1, animator=False)


class Diverges(nn.Module):
    """Weights that become NaN in a step although the loss was finite."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(1, 10)
        self.dense.weight.register_hook(lambda gradient: gradient * float("nan"))

    def forward(self, X):
        return self.dense(X.mean((2, 3)))


@pytest.mark.parametrize("tested", [True, False])
def test_a_diverged_run_is_an_error_and_is_never_saved(tmp_path, tested):
    train_iter, test_iter = make_iters(num_train=32)
    path = tmp_path / "run.pt"
    with pytest.raises(FloatingPointError, match=r"dense\.weight is not finite in epoch 1.*lr=.*schedule.*augment"):
        d2lt.train(Diverges(), train_iter, test_iter if tested else None, 2, 0.1, checkpoint=path, animator=False)
    assert list(tmp_path.iterdir()) == []


def test_the_rate_is_the_one_given(monkeypatch):
    train_iter, test_iter = make_iters(num_train=32)
    made = []

    def keep(parameters, lr=0.001):
        made.append(torch.optim.SGD(parameters, lr=lr))
        return made[-1]

    history = d2lt.train(make_net(), train_iter, test_iter, 1, 0.5, optimizer=keep, animator=False)
    assert made[0].param_groups[0]["lr"] == 0.5 == history.meta["lr"] and "lr: 0.5" in history.meta["optimizer"]
    history = d2lt.train(make_net(), train_iter, test_iter, 1, 0.25, optimizer=torch.optim.SGD, animator=False)
    assert "lr: 0.25" in history.meta["optimizer"]
    at_zero = lambda parameters: torch.optim.SGD(parameters, lr=0.0)  # noqa: E731
    history = d2lt.train(make_net(), train_iter, test_iter, 1, 0.25, optimizer=at_zero, animator=False)
    assert "lr: 0.25" in history.meta["optimizer"]
    recipe = d2lt.modern_recipe() | {"lr": 0.125}
    history = d2lt.train(make_net(), train_iter, test_iter, 1, animator=False, **recipe)
    assert history.meta["lr"] == 0.125 and "initial_lr: 0.125" in history.meta["optimizer"]


def test_swapped_iterators_are_found():
    train_iter, test_iter = make_iters()
    with pytest.raises(ValueError, match="train_iter is in order and test_iter is shuffled"):
        d2lt.train(make_net(), test_iter, train_iter, 1, 0.1, animator=False)


@pytest.mark.parametrize(("changes", "error"), [({"weight_decay": -0.1}, ValueError), ({"augment": "no"}, TypeError)])
def test_recipes_that_cannot_be_meant(changes, error):
    with pytest.raises(error, match=f"{next(iter(changes))}="):
        d2lt.modern_recipe(**changes)


def test_a_checkpoint_in_the_home_folder_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    run_to("~/run.pt", 1)
    assert (tmp_path / "home" / "run.pt").is_file() and not (tmp_path / "~").exists()


def test_groups_with_rates_of_their_own_keep_their_ratio():
    train_iter, test_iter = make_iters(num_train=32)
    net, made = make_net(), []

    def two_rates(parameters):
        first, *rest = parameters
        made.append(torch.optim.SGD([{"params": [first], "lr": 0.01}, {"params": rest, "lr": 0.1}], lr=1.0))
        return made[-1]

    d2lt.train(net, train_iter, test_iter, 1, 0.2, optimizer=two_rates, animator=False)
    assert [group["lr"] for group in made[0].param_groups] == pytest.approx([0.02, 0.2])


def test_frozen_batch_norm_stays_frozen_and_a_network_in_evaluation_mode_trains():
    train_iter, test_iter = make_iters(num_train=64)
    net = nn.Sequential(nn.Conv2d(1, 4, 5, stride=2), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(576, 10))
    net[1].eval()
    before = net[1].running_mean.clone()
    d2lt.train(net, train_iter, test_iter, 2, 0.1, animator=False)
    assert torch.equal(net[1].running_mean, before) and net.training
    net.eval()
    d2lt.train(net, train_iter, test_iter, 1, 0.1, animator=False)
    assert not torch.equal(net[1].running_mean, before)


def test_a_last_batch_of_one_under_batch_norm_is_found_before_the_first_epoch():
    train_iter, test_iter = make_iters(num_train=97)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.BatchNorm1d(10))
    before = net[2].num_batches_tracked.clone()
    with pytest.raises(ValueError, match=r"batch_size=32 leaves a last batch of one of 97 .*give batch_size=33"):
        d2lt.train(net, train_iter, test_iter, 1, 0.1, augment=lambda X: pytest.fail("an epoch began"), animator=False)
    assert torch.equal(net[2].num_batches_tracked, before)
    wide = nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(784, 10))  # 784 values a channel are enough
    assert len(d2lt.train(wide, train_iter, test_iter, 1, 0.1, animator=False)) == 1


def test_a_network_that_does_not_fit_the_images_names_the_layer():
    train_iter, test_iter = make_iters(num_train=32)
    with pytest.raises(ValueError, match=r"Conv2d \(0\) received the shape \(1, 1, 28, 28\); it takes 3 channels"):
        d2lt.train(nn.Sequential(nn.Conv2d(3, 4, 5), nn.Flatten()), train_iter, test_iter, 1, 0.1, animator=False)
    with pytest.raises(ValueError, match=r"Linear \(1\).*takes 700 features and got 784"):
        d2lt.evaluate(nn.Sequential(nn.Flatten(), nn.Linear(700, 10)), test_iter)


def test_evaluating_on_the_training_images_leaves_the_random_state_alone():
    train_iter, _ = make_iters()
    net = make_net()
    before = torch.get_rng_state()
    d2lt.evaluate(net, train_iter)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"net": "lenet"}, TypeError, "net='lenet'"),
        ({"net": nn.Flatten()}, ValueError, "no parameter to train"),
        ({"net": nn.Sequential(nn.Flatten(), nn.LazyLinear(10))}, ValueError, "lazy layer"),
        ({"net": nn.Sequential(nn.Flatten(), nn.Linear(784, 9))}, ValueError, "9 logits.*num_classes=10"),
        ({"net": nn.Conv2d(1, 10, 3)}, ValueError, r"\(32, 10, 26, 26\) for 32 examples"),
        ({"train_iter": [1]}, TypeError, r"train_iter is a list: give d2lt\.DataIter\(images, labels, batch_size\)"),
        ({"test_iter": 3}, TypeError, "test_iter is a int"),
        ({"num_epochs": 0}, ValueError, "num_epochs=0"),
        ({"num_epochs": 1.5}, TypeError, "num_epochs=1.5"),
        ({"num_epochs": True}, TypeError, "num_epochs=True"),
        ({"lr": "0.1"}, TypeError, "lr='0.1'"),
        ({"label_smoothing": 1.0}, ValueError, "label_smoothing=1.0"),
        ({"precision": "half"}, ValueError, "precision='half'"),
        ({"optimizer": torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.1)}, TypeError, "(?s)optimizer=SGD.*lambda"),
        ({"schedule": 0.5}, TypeError, "schedule=0.5"),
        ({"augment": torch.zeros(1)}, TypeError, "augment=tensor"),
        ({"checkpoint": 3}, TypeError, "checkpoint=3"),
        ({"device": "hpu"}, ValueError, "device='hpu'"),
        ({"device": "gpu"}, ValueError, "device='gpu'"),
        ({"net": make_net().half()}, ValueError, r"not float32 \(0\.weight is float16\): net\.float\(\)"),
        ({"net": make_net().double()}, ValueError, "0.weight is float64"),
        (
            {"optimizer": lambda _: torch.optim.SGD(make_net().parameters(), 0.1)},
            ValueError,
            "4 parameters that are not",
        ),
        ({"optimizer": lambda parameters: list(parameters)}, TypeError, "optimizer returned"),
        ({"train_iter": torch.utils.data.DataLoader([1])}, TypeError, "train_iter is a DataLoader: give d2lt.DataIter"),
        ({"train_iter": np.zeros(3)}, TypeError, "train_iter is a ndarray: give d2lt.DataIter"),
        ({"checkpoint": "."}, ValueError, "checkpoint='.' is a folder"),
        ({"net": make_net}, TypeError, "net=<function make_net.*give one, such as lenet"),
        ({"schedule": lambda progress: -1.0}, ValueError, "schedule's factor=-1"),
        ({"schedule": lambda progress: None}, TypeError, "schedule's factor=None"),
        ({"augment": lambda X: None}, TypeError, "augment returned None: let it return the images"),
        ({"animator": "yes"}, TypeError, "animator='yes': give True, False"),
    ],
)
def test_bad_arguments_are_named(changes, error, words):
    train_iter, test_iter = make_iters(num_train=32, num_test=10)
    arguments = dict(net=make_net(), train_iter=train_iter, test_iter=test_iter, num_epochs=1, lr=0.1, animator=False)
    with pytest.raises(error, match=words):
        d2lt.train(**(arguments | changes))


@given(lr=st.one_of(st.floats(max_value=0), st.sampled_from([float("nan"), float("inf")])))
@settings(max_examples=20, deadline=None)
def test_no_rate_that_is_not_positive_and_finite(lr):
    train_iter, test_iter = make_iters(num_train=10, num_test=10)
    with pytest.raises(ValueError, match="lr="):
        d2lt.train(make_net(), train_iter, test_iter, 1, lr, animator=False)


# --- the record and the recipes ---------------------------------------------------------------------------------------


def test_a_history_has_a_row_for_every_epoch():
    train_iter, test_iter = make_iters()
    history = d2lt.train(make_net(), train_iter, test_iter, 2, 0.1, animator=False)
    assert [row["epoch"] for row in history.rows()] == [1, 2]
    assert history.rows()[1]["test_acc"] == history.test_acc[1]


def test_init_xavier_refuses_lazy_layers():
    with pytest.raises(ValueError, match="lazy"):
        nn.Sequential(nn.LazyLinear(3)).apply(d2lt.init_xavier)
    layer = nn.Linear(300, 100)
    torch.manual_seed(0)
    d2lt.init_xavier(layer)
    assert layer.weight.std().item() == pytest.approx((2 / 400) ** 0.5, rel=0.02)
    assert not layer.bias.any()


def test_init_xavier_initialises_a_whole_network_once():
    def fresh():
        torch.manual_seed(0)
        return nn.Sequential(nn.Sequential(nn.Linear(30, 20)), nn.ReLU(), nn.Linear(20, 10))

    applied, called = fresh().apply(d2lt.init_xavier), fresh()
    d2lt.init_xavier(called)
    assert torch.equal(weights(applied), weights(called)) and not called[2].bias.any()


def test_trained_weights_are_loaded_checked_and_named(tmp_path, monkeypatch, capsys):
    net = make_net().half()
    torch.save({"state_dict": net.state_dict()}, tmp_path / "tiny.pt")
    digest = hashlib.sha256((tmp_path / "tiny.pt").read_bytes()).hexdigest()
    row = {"network": "tiny", "recipe": "modern", "epochs": 10, "seed": 2}
    entry = {"file": "tiny.pt", "sha256": digest, "test_acc": 0.9, "row": row}
    missing = {"file": None, "asset": "large.pt", "sha256": digest, "row": row}
    (tmp_path / "weights.json").write_text(json.dumps({"tiny": entry, "large": missing}))
    monkeypatch.setattr(d2lt.recipes, "REGISTRY", tmp_path / "weights.json")
    monkeypatch.setattr(d2lt.recipes, "WEIGHTS", tmp_path)
    monkeypatch.setattr(d2lt.recipes, "REPOSITORY", "http://127.0.0.1:9")
    target = make_net()
    assert d2lt.load_trained(target, "tiny") and not target.training
    assert torch.equal(weights(target), weights(net).float())
    assert "tiny: modern recipe, 10 epochs, seed 2; test accuracy 0.900" in capsys.readouterr().out
    before = weights(target)
    assert not d2lt.load_trained(target, "large") and torch.equal(weights(target), before)
    assert "weights of large could not be fetched" in capsys.readouterr().out
    with pytest.raises(ValueError, match="name='x' is unknown: choose one of tiny, large"):
        d2lt.load_trained(target, "x")
    with pytest.raises(ValueError, match=r"not the tiny of its chapter: '0\.bias' differs"):
        d2lt.load_trained(make_net(width=6), "tiny")
    (tmp_path / "tiny.pt").write_bytes(b"other")
    with pytest.raises(ValueError, match="damaged"):
        d2lt.load_trained(target, "tiny")


def test_report_setup_says_how_to_get_a_gpu(capsys):
    d2lt.report_setup(torch.device("cpu"), minutes_t4=3, minutes_cpu=40)
    text = capsys.readouterr().out
    assert "40 min" in text and "T4 GPU" in text and torch.__version__ in text


@pytest.mark.parametrize(("multiplies", "minutes", "warned"), [(False, 15, True), (True, 15, False), (False, 5, False)])
def test_report_setup_warns_of_a_slow_cpu(monkeypatch, capsys, multiplies, minutes, warned):
    monkeypatch.setattr(d2lt.device, "cpu_multiplies_bfloat16", lambda: multiplies)
    d2lt.report_setup(torch.device("cpu"), minutes_cpu=minutes)
    assert ("no bfloat16 instructions" in capsys.readouterr().out) == warned
