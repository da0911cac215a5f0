"""The training loop against a plain one, and against what happens in a classroom."""

import functools
import math
import os
import signal
import subprocess
import sys
import textwrap
import weakref
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import d2ltorch as d2lt

ROOT = Path(__file__).parent.parent


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
    monkeypatch.delenv("D2LTORCH_RUNS", raising=False)


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
    import test_train, d2ltorch as d2lt
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
    code = textwrap.dedent(KILLED.format(tests=str(ROOT / "tests"), mid_write=mid_write, path=str(path)))
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
        with pytest.raises(d2lt.CheckpointError, match=r"run\.pt.*damaged"):
            run_to(path, 2)
        assert path.read_bytes() == content


def test_a_checkpoint_of_another_network_or_run_is_an_error_and_stays_as_it_is(tmp_path):
    path = tmp_path / "run.pt"
    run_to(path, 1)
    content = path.read_bytes()
    with pytest.raises(d2lt.CheckpointError, match=r"another network: '0\.bias' is \(4,\) there"):
        run_to(path, 2, net=make_net(width=6))
    with pytest.raises(d2lt.CheckpointError, match="batch_size was 32 and is now 16"):
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
    np = pytest.importorskip("numpy")
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
    with pytest.raises(OSError, match="No space"):
        run_to(path, 2)
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]


def test_runs_folder_repeats_nothing_that_has_not_changed(tmp_path, monkeypatch):
    monkeypatch.setenv("D2LTORCH_RUNS", str(tmp_path))
    first, history = run_to(None, 2)
    second, again = run_to(None, 2)
    assert again.seconds == history.seconds  # read back, not measured again
    torch.testing.assert_close(weights(first), weights(second), rtol=0, atol=0)
    assert len(list(tmp_path.iterdir())) == 1
    run_to(None, 2, lr=0.2)
    assert len(list(tmp_path.iterdir())) == 2
    third, shorter = run_to(None, 1)  # a shorter run is not the longer one's
    assert shorter.train_loss == history.train_loss[:1] and len(list(tmp_path.iterdir())) == 3
    assert not torch.equal(weights(third), weights(first))
    assert run_to(None, 1)[1].seconds == shorter.seconds
    assert run_to(None, 2)[1].seconds == history.seconds


# --- a classroom ------------------------------------------------------------------------------------------------------


def test_a_loss_that_explodes_says_where():
    train_iter, test_iter = make_iters()
    torch.manual_seed(0)
    with pytest.raises(FloatingPointError, match=r"epoch 1, batch \d+ of 4: .*lr=1e\+30"):
        d2lt.train(make_net(), train_iter, test_iter, 1, 1e30, animator=False)


def test_keyboard_interrupt_returns_the_epochs_so_far(capsys):
    train_iter, test_iter = make_iters()
    calls = []

    def augment(X):
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return X

    history = d2lt.train(make_net(), train_iter, test_iter, 5, 0.1, augment=augment, animator=False)
    assert len(history) == 1
    assert "Interrupted in epoch 2 of 5" in capsys.readouterr().out
    calls[:] = [1] * 6
    history = d2lt.train(make_net(), train_iter, test_iter, 5, 0.1, augment=augment, animator=False)
    assert str(history).startswith("no epoch finished")


class FullMemory(nn.Module):
    """Takes at most so many pixels a batch, as a GPU with little memory does."""

    def __init__(self, pixels):
        super().__init__()
        self.pixels, self.dense = pixels, nn.Linear(1, 10)

    def forward(self, X):
        if X.numel() > self.pixels:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.dense(X.mean((2, 3)))


def test_out_of_memory_says_what_would_fit():
    train_iter, _ = make_iters(resize=64)
    with pytest.raises(MemoryError, match=r"batch_size=32 and 64 pixels.*batch_size=16 at 64 pixels or resize=48 at"):
        d2lt.train(FullMemory(32 * 50 * 50), train_iter, None, 1, 0.1, animator=False)
    with pytest.raises(MemoryError, match="not even one example fits"):
        d2lt.train(FullMemory(1), train_iter, None, 1, 0.1, animator=False)


class FullUntilFreed(nn.Module):
    """Is out of memory at 32 images; notes whether an earlier output was still held when it was next called."""

    def __init__(self):
        super().__init__()
        self.dense, self.norm, self.outputs, self.was_held = nn.Linear(1, 10), nn.BatchNorm1d(10), [], []

    def __deepcopy__(self, memo):
        return self  # the advice tries a copy; this test looks at what it finds

    def forward(self, X):
        self.was_held.append(any(output() is not None for output in self.outputs))
        hidden = self.norm(self.dense(X.mean((2, 3))))
        self.outputs = [weakref.ref(hidden)]
        if len(X) >= 32:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return hidden * 1


def test_out_of_memory_lets_go_of_the_outputs_before_it_tries_what_fits():
    train_iter, _ = make_iters()
    net = FullUntilFreed()
    with pytest.raises(MemoryError, match="batch_size=16 at 28 pixels") as raised:
        d2lt.train(net, train_iter, None, 1, 0.1, animator=False)
    assert len(net.was_held) > 2 and not any(net.was_held)
    assert raised.value.__cause__ is None and raised.value.__context__ is None


def test_out_of_memory_advice_survives_batch_norm_over_one_value():
    train_iter, _ = make_iters()
    net = nn.Sequential(FullMemory(1), nn.BatchNorm1d(10))
    with pytest.raises(MemoryError, match="not even one example fits"):
        d2lt.train(net, train_iter, None, 1, 0.1, animator=False)
    one = nn.Sequential(FullMemory(28 * 28), nn.BatchNorm1d(10))  # one image fits, and batch norm does not take one
    with pytest.raises(MemoryError, match="not even one example fits"):
        d2lt.train(one, train_iter, None, 1, 0.1, animator=False)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"net": "lenet"}, TypeError, "net='lenet'"),
        ({"net": nn.Flatten()}, ValueError, "no parameter to train"),
        ({"net": nn.Sequential(nn.Flatten(), nn.LazyLinear(10))}, ValueError, "lazy layer"),
        ({"net": nn.Sequential(nn.Flatten(), nn.Linear(784, 9))}, ValueError, "9 logits.*num_classes=10"),
        ({"net": nn.Conv2d(1, 10, 3)}, ValueError, r"\(32, 10, 26, 26\) for 32 examples"),
        ({"train_iter": [1]}, TypeError, "train_iter=list"),
        ({"test_iter": 3}, TypeError, "test_iter=int"),
        ({"num_epochs": 0}, ValueError, "num_epochs=0"),
        ({"num_epochs": 1.5}, TypeError, "num_epochs=1.5"),
        ({"num_epochs": True}, TypeError, "num_epochs=True"),
        ({"lr": "0.1"}, TypeError, "lr='0.1'"),
        ({"label_smoothing": 1.0}, ValueError, "label_smoothing=1.0"),
        ({"precision": "half"}, ValueError, "precision='half'"),
        ({"optimizer": torch.optim.SGD([nn.Parameter(torch.zeros(1))], 0.1)}, TypeError, "(?s)optimizer=SGD.*lambda"),
        ({"schedule": 0.5}, TypeError, "schedule=0.5"),
        ({"augment": torch.zeros(1)}, TypeError, "augment=tensor"),
        ({"loss": "mse"}, TypeError, "loss='mse'"),
        ({"checkpoint": 3}, TypeError, "checkpoint=3"),
        ({"device": "hpu"}, ValueError, "device='hpu'"),
        ({"device": "gpu"}, ValueError, "device='gpu'"),
        ({"checkpoint": "."}, ValueError, "checkpoint='.' is a folder"),
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


# --- several processes ------------------------------------------------------------------------------------------------

PARALLEL = """
    import sys, torch
    sys.path.insert(0, {tests!r})
    import test_train, d2ltorch as d2lt
    torch.set_num_threads(1)
    torch.manual_seed(5)
    net = test_train.make_net()
    train_iter, test_iter = test_train.make_iters(num_train=99)
    history = d2lt.train(net, train_iter, test_iter, 2, 0.1, precision="float32", checkpoint={path!r})
    history.save(sys.argv[1] + f"/{{torch.distributed.get_rank()}}.json")
"""


def in_two_processes(text: str, folder: Path, **values) -> str:
    """What a script prints under torchrun; it gets the folder as its argument."""
    script = folder / "script.py"
    script.write_text(textwrap.dedent(text.format(tests=str(ROOT / "tests"), **values)))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*torchrun, str(script), str(folder)],
        capture_output=True, text=True, timeout=180, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_two_processes_train_as_one(tmp_path):
    printed = in_two_processes(PARALLEL, tmp_path, path=str(tmp_path / "run.pt"))
    assert printed.count("epoch 1") == 1  # one process prints
    torch.manual_seed(5)
    train_iter, test_iter = make_iters(num_train=99)
    alone = d2lt.train(make_net(), train_iter, test_iter, 2, 0.1, precision="float32", animator=False)
    for rank in (0, 1):
        history = d2lt.History.load(tmp_path / f"{rank}.json")
        assert history.train_loss == pytest.approx(alone.train_loss, rel=1e-4)
        assert history.test_loss == pytest.approx(alone.test_loss, rel=1e-4)
        assert history.test_acc == pytest.approx(alone.test_acc)
        assert history.meta["num_examples"] == 99


UNSEEDED = """
    import sys, torch
    sys.path.insert(0, {tests!r})
    import test_train, d2ltorch as d2lt
    torch.set_num_threads(1)
    rank = int(__import__("os").environ["RANK"])
    torch.manual_seed(rank)  # as without a seed: another state in every process
    nn = torch.nn
    net = nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(784, 10), nn.BatchNorm1d(10))
    images = torch.arange({count}, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 28, 28)
    train_iter = d2lt.DataIter(images, torch.arange({count}) % 10, 32, shuffle=True)
    seen = []
    history = d2lt.train(net, train_iter, train_iter, 2, 0.1, precision="float32", animator=False,
                         augment=lambda X: seen.append((X[:, 0, 0, 0] * 255).round().int().tolist()) or X)
    torch.save((seen, history.train_loss, history.test_loss, net.state_dict()), sys.argv[1] + f"/{{rank}}.pt")
"""


@pytest.mark.parametrize("count", [101, 33])
def test_processes_divide_every_epoch_whatever_their_seeds(tmp_path, count):
    in_two_processes(UNSEEDED, tmp_path, count=count)
    (seen, train_loss, test_loss, net), other = (torch.load(tmp_path / f"{rank}.pt") for rank in (0, 1))
    steps = len(seen) // 2
    for epoch in range(2):
        batches = [batch for part in (seen, other[0]) for batch in part[epoch * steps : (epoch + 1) * steps]]
        shown = sorted(i for batch in batches for i in batch)
        if count == 101:
            assert shown == list(range(101))  # each image once, in one process or the other
        else:  # the last batch has one image: nothing for the second process, so it is left out
            assert len(shown) == 32 == len(set(shown))
    assert all(math.isfinite(value) for value in train_loss + test_loss)
    assert (train_loss, test_loss) == (other[1], other[2])
    for key, value in net.items():
        assert torch.equal(value, other[3][key]), key


EXPLODING = """
    import sys, torch
    sys.path.insert(0, {tests!r})
    import test_train, d2ltorch as d2lt
    torch.set_num_threads(1)
    rank = int(__import__("os").environ["RANK"])
    train_iter, _ = test_train.make_iters(num_train=96)
    try:
        d2lt.train(test_train.make_net(), train_iter, None, 1, 0.1, precision="float32", animator=False,
                   augment=lambda X: X * (float("nan") if rank == 1 else 1))
    except FloatingPointError as error:
        open(sys.argv[1] + f"/{{rank}}.txt", "w").write(str(error))
"""


def test_a_loss_that_explodes_in_one_process_is_an_error_in_all(tmp_path):
    in_two_processes(EXPLODING, tmp_path)
    for rank in (0, 1):
        assert "not finite in epoch 1" in (tmp_path / f"{rank}.txt").read_text()


# --- the record -------------------------------------------------------------------------------------------------------


def test_history_survives_a_round_trip(tmp_path):
    train_iter, test_iter = make_iters()
    history = d2lt.train(make_net(), train_iter, test_iter, 2, 0.1, animator=False)
    history.save(tmp_path / "history.json")
    again = d2lt.History.load(tmp_path / "history.json")
    assert again.rows() == history.rows() and str(again) == str(history)
    assert [row["epoch"] for row in again.rows()] == [1, 2]
    (tmp_path / "other.json").write_text('{"meta": {}}')
    with pytest.raises(ValueError, match=r"other\.json"):
        d2lt.History.load(tmp_path / "other.json")
    with pytest.raises(ValueError, match="columns"):
        history.add(train_loss=1.0)


def test_history_plots_both_panels():
    import matplotlib.pyplot as plt

    history = d2lt.History({"source": "none"})
    for value in (1.0, 0.5):
        row = dict.fromkeys(("train_loss", "train_acc", "test_loss", "test_acc"), value)
        history.add(**row, seconds=1.0, examples_per_second=1.0)
    history.plot("title")
    axes = plt.gcf().axes
    assert [ax.get_ylabel() for ax in axes] == ["loss", "accuracy"]
    assert list(axes[0].lines[0].get_ydata()) == [1.0, 0.5]
    plt.close("all")


def test_init_xavier_refuses_lazy_layers():
    with pytest.raises(ValueError, match="lazy"):
        nn.Sequential(nn.LazyLinear(3)).apply(d2lt.init_xavier)
    layer = nn.Linear(300, 100)
    torch.manual_seed(0)
    d2lt.init_xavier(layer)
    assert layer.weight.std().item() == pytest.approx((2 / 400) ** 0.5, rel=0.02)
    assert not layer.bias.any()


def test_report_setup_says_how_to_get_a_gpu(capsys):
    d2lt.report_setup(torch.device("cpu"), minutes_t4=3, minutes_cpu=40)
    text = capsys.readouterr().out
    assert "40 min" in text and "T4 GPU" in text and torch.__version__ in text


@pytest.mark.parametrize(("multiplies", "minutes", "warned"), [(False, 40, True), (True, 40, False), (False, 5, False)])
def test_report_setup_warns_of_a_slow_cpu(monkeypatch, capsys, multiplies, minutes, warned):
    monkeypatch.setattr(d2lt.hardware, "cpu_multiplies_bfloat16", lambda: multiplies)
    d2lt.report_setup(torch.device("cpu"), minutes_t4=3, minutes_cpu=minutes)
    assert ("num_train=12_000" in capsys.readouterr().out) == warned
