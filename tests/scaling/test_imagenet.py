"""Many processes do what one does, and a killed one costs its epoch: lenet, which has neither batch norm nor dropout.

Batch norm takes its statistics from each process's share of a batch, and dropout draws in each process: with either,
two processes and one agree in distribution only.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from book.scaling import imagenet

ROOT = Path(__file__).parents[2]
SIZES = ["--train-size", "28", "--test-size", "28"]
LENET = ["--chapter", "lenet", "--network", "lenet", *SIZES, "--workers", "0", "--precision", "float32"]
RUN = [*LENET, "--epochs", "3", "--warmup", "1", "--batch-size", "12", "--lr", "0.2"]

# What a worker runs in the test of the kill: the one that writes the second of three checkpoints dies half-way, once.
KILLED = """
import os, signal, torch
from book.scaling import imagenet
def dies(state, file, save=torch.save):
    if len(state["history"]) == 2:
        file.write(b"half a")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    save(state, file)
os.write(1, f"attempt {os.environ['TORCHELASTIC_RESTART_COUNT']}\\n".encode())  # in one piece: two processes write
if os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
    torch.save = dies
imagenet.main()
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """48 images to train on, four steps of 12, and 15 to validate, which two processes cannot share equally."""
    folder, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for half, count in (("train", 16), ("val", 5)):
        for channel, name in enumerate(("disc", "edge", "stripe")):
            (folder / half / name).mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(0, 90, (36, 48, 3), dtype=np.uint8)
                pixels[:, :, channel] += 120
                Image.fromarray(pixels).save(folder / half / name / f"{i}.png")
    return folder


def torchrun(*arguments) -> str:
    """Two processes on this machine; returns what they print."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", imagenet.FRESH_STORE: "1"}
    done = subprocess.run(
        [*command, *map(str, arguments)], capture_output=True, text=True, env=environment, cwd=ROOT, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def two_processes(images, tmp_path_factory) -> dict:
    file = tmp_path_factory.mktemp("two") / "run.pt"
    torchrun("-m", "book.scaling.imagenet", "--data", images, "--checkpoint", file, *RUN)
    return torch.load(file)


@pytest.mark.slow
def test_two_processes_do_what_one_does(images, two_processes, tmp_path):
    imagenet.main(["--data", str(images), "--checkpoint", str(tmp_path / "one.pt"), *RUN])
    one = torch.load(tmp_path / "one.pt")
    assert len(one["history"]) == 3
    for ours, theirs in zip(one["history"], two_processes["history"], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    for name, weight in one["net"].items():
        torch.testing.assert_close(weight, two_processes["net"][name], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_a_worker_killed_in_a_write_costs_its_epoch_and_nothing_else(images, two_processes, tmp_path):
    file = tmp_path / "killed.pt"
    arguments = ["--data", images, "--checkpoint", file, *RUN]
    output = torchrun("--max-restarts=1", "--no-python", sys.executable, "-c", KILLED, *arguments)
    assert output.count("attempt 0") == output.count("attempt 1") == 2
    assert [output.count(f"epoch {i} of 3") for i in (1, 2, 3)] == [1, 1, 1]  # the first is not repeated
    killed = torch.load(file)
    assert killed["history"] == two_processes["history"]
    assert all(torch.equal(killed["net"][name], weight) for name, weight in two_processes["net"].items())


def test_restarts_that_would_hang_are_refused(monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    monkeypatch.delenv(imagenet.FRESH_STORE, raising=False)
    with pytest.raises(SystemExit, match="export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 first"):
        imagenet.start_processes()


def test_an_image_is_augmented_alike_by_whichever_process_loads_it(images):
    args = imagenet.read_arguments(["--data", str(images), "--batch-size", "12", *LENET])
    train, _ = imagenet.open_images(args)
    alone = torch.stack([X for X, _ in train])
    loaded = torch.cat([X for X, _ in torch.utils.data.DataLoader(train, batch_size=5, num_workers=2)])
    assert torch.equal(alone, loaded)
    state = torch.get_rng_state()
    assert torch.equal(train[7][0], alone[7]) and torch.equal(torch.get_rng_state(), state)  # dropout is left alone
    train.epoch = 1
    assert not torch.equal(train[7][0], alone[7])


def test_every_epoch_has_an_order_and_crops_of_its_own(images, tmp_path, monkeypatch):
    seen = []

    def look(args, net, loader, device, optimizer=None):
        if optimizer is not None:
            seen.append((list(loader.sampler), loader.dataset.epoch))
        return 1.0, 0.5

    monkeypatch.setattr(imagenet, "run_epoch", look)
    imagenet.main(["--data", str(images), "--checkpoint", str(tmp_path / "run.pt"), *RUN])
    (first, _), (second, _), (third, _) = seen
    assert sorted(first) == sorted(second) == sorted(third) == list(range(48))
    assert first != second != third and [epoch for _, epoch in seen] == [0, 1, 2]


def test_the_rate_is_torchs_warm_up_and_cosine():
    args = imagenet.read_arguments(["--chapter", "resnet", "--network", "resnet50", "--data", ".", "--epochs", "20"])
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    warm_up = torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=0.01, total_iters=5)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=15)
    schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm_up, cosine], milestones=[5])
    for epoch in range(20):
        assert imagenet.learning_rate(args, epoch) == pytest.approx(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()


@pytest.mark.parametrize(("chapter", "network"), [("resnet", "resnet50"), ("batch_norm", "lenet_bn")])
def test_normalisation_does_not_decay(chapter, network):
    args = imagenet.read_arguments(["--chapter", chapter, "--network", network, "--data", ".", *SIZES])
    net = imagenet.build(args, num_classes=7)
    norms, others = imagenet.make_optimizer(args, net).param_groups
    assert (norms["weight_decay"], others["weight_decay"]) == (0.0, 2e-5)
    assert len(norms["params"]) == 2 * sum("Norm" in type(module).__name__ for module in net.modules()) > 0
    assert len(norms["params"]) + len(others["params"]) == len(list(net.parameters()))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "nowhere"], "--data nowhere: needs train/CLASS/ and val/CLASS/"),
        (["--chapter", "lenets"], "--chapter='lenets' is unknown: choose among alexnet, batch_norm,"),
        (["--network", "lenet9"], "--network lenet9: chapter lenet has no such network; it has lenet"),
        (["--train-size", "32"], "--train-size 32: lenet takes images of another size"),
        (["--batch-size", "49"], "--batch-size 49: more than the 48 images of train/"),
        (["--warmup", "3"], "--warmup 3: the rate would rise to the end of 3 epochs"),
        (["--checkpoint", "nowhere/run.pt"], "--checkpoint nowhere/run.pt: there is no folder nowhere"),
    ],
)
def test_a_wrong_argument_gets_one_line(images, arguments, message):
    with pytest.raises(SystemExit) as error:
        imagenet.main(["--data", str(images), *RUN, *arguments])
    assert str(error.value).startswith(message) and "\n" not in str(error.value)


def test_halves_with_other_classes_are_refused(images, tmp_path):
    (tmp_path / "train").symlink_to(images / "train")
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "disc").symlink_to(images / "val" / "disc")
    with pytest.raises(SystemExit, match="but not in both: edge, stripe"):
        imagenet.main(["--data", str(tmp_path), *RUN])


def test_the_checkpoint_of_another_run_is_refused(images, tmp_path):
    run = ["--data", str(images), "--checkpoint", str(tmp_path / "run.pt"), *LENET, "--epochs", "1", "--warmup", "0"]
    imagenet.main([*run, "--batch-size", "24"])
    with pytest.raises(SystemExit, match="batch_size 24 there, 48 here"):
        imagenet.main([*run, "--batch-size", "48"])


def test_a_diverged_run_is_not_saved(images, tmp_path):
    run = ["--data", str(images), "--checkpoint", str(tmp_path / "run.pt"), *LENET, "--batch-size", "12"]
    with pytest.raises(SystemExit, match="--lr 1e"):
        imagenet.main([*run, "--epochs", "1", "--warmup", "0", "--lr", "1e38"])
    assert not list(tmp_path.iterdir())
