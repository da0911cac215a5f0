"""From a chapter to ImageNet: train a chapter's network on a folder of images, on any number of GPUs and hosts.

    python -m book.scaling.imagenet --chapter resnet --network resnet50 --data FOLDER    # one GPU
    export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1    # before torchrun: all GPUs of a host
    torchrun --standalone --nproc-per-node=gpu --max-restarts=3 -m book.scaling.imagenet --chapter …

FOLDER holds train/CLASS/ and val/CLASS/ with image files. The recipe is the one of torchvision's weights
ResNet50_Weights.IMAGENET1K_V2 (https://github.com/pytorch/vision/issues/3995) without MixUp, CutMix, repeated
augmentation and averaged weights. The page book/scaling.md walks through this file.
"""

import argparse
import math
import os
import time
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler

from book.notebooks import builders
from d2ltorch.history import write_atomically  # before torchvision, whose import d2ltorch repairs beside a CPU's torch

# isort: split
from torchvision.datasets import ImageFolder
from torchvision.models import ResNet50_Weights
from torchvision.transforms import v2

FRESH_STORE = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"  # https://github.com/pytorch/pytorch/issues/135712


def read_arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """What to train and how; the defaults are the recipe."""
    parser = argparse.ArgumentParser(prog="book.scaling.imagenet", description="Train a chapter's network on images.")
    add = partial(parser.add_argument, metavar="…")
    add("--chapter", required=True, help="a notebook of chapters/: resnet")
    add("--network", required=True, help="a function of that chapter: resnet50")
    add("--data", required=True, type=Path, help="the folder with train/ and val/")
    add("--checkpoint", type=Path, default=Path("imagenet.pt"), help="written every epoch, resumed from if it is there")
    add("--epochs", type=int, default=600)
    add("--warmup", type=int, default=5, help="epochs in which the rate rises")
    add("--batch-size", type=int, default=1024, help="images in a step, over all processes")
    add("--lr", type=float, help="the highest rate; if not given, 0.5 for 1,024 images and in proportion for others")
    add("--train-size", type=int, default=176, help="pixels on each side in training")
    add("--test-size", type=int, default=224, help="pixels on each side in validation")
    add("--precision", choices=("bfloat16", "float32"), default="bfloat16")
    add("--workers", type=int, default=8, help="processes that load images, for each GPU")
    add("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    if args.lr is None:
        args.lr = 0.5 * args.batch_size / 1024
    if args.warmup >= args.epochs:
        raise SystemExit(f"--warmup {args.warmup}: the rate would rise to the end of {args.epochs} epochs; take fewer")
    return args


def build(args: argparse.Namespace, num_classes: int) -> nn.Module:
    """The network, for colour images of the two sizes."""
    try:
        networks = builders(args.chapter)
    except ValueError as error:
        raise SystemExit(f"--{error}") from None
    if args.network not in networks:
        problem = f"--network {args.network}: chapter {args.chapter} has no such network"
        raise SystemExit(f"{problem}; it has {', '.join(networks)}")
    torch.manual_seed(args.seed)
    net = networks[args.network](in_channels=3, num_classes=num_classes).eval()
    for argument, size in (("--train-size", args.train_size), ("--test-size", args.test_size)):
        try:
            net(torch.zeros(1, 3, size, size))
        except RuntimeError as error:
            raise SystemExit(f"{argument} {size}: {args.network} takes images of another size ({error})") from None
    return net


class TrainImages(ImageFolder):
    """Images that are augmented by seed, epoch and number of the image, whichever process loads them."""

    seed = epoch = 0

    def __getitem__(self, index: int):
        with torch.random.fork_rng(devices=()):  # dropout goes on with its own random numbers
            torch.default_generator.manual_seed(hash((self.seed, self.epoch, index)))
            return super().__getitem__(index)


def open_images(args: argparse.Namespace) -> tuple[TrainImages, ImageFolder]:
    """Training images, augmented, and validation images, cut from the centre."""
    size, prepare = args.train_size, ResNet50_Weights.IMAGENET1K_V2.transforms  # resizes, cuts the centre, normalises
    augment = [v2.RandomResizedCrop(size), v2.RandomHorizontalFlip(), v2.TrivialAugmentWide()]
    augment += [prepare(resize_size=size, crop_size=size), v2.RandomErasing(0.1)]
    validate = prepare(resize_size=round(args.test_size * 232 / 224), crop_size=args.test_size)
    try:
        train = TrainImages(args.data / "train", v2.Compose(augment))
        test = ImageFolder(args.data / "val", validate)
    except OSError as error:
        raise SystemExit(f"--data {args.data}: needs train/CLASS/ and val/CLASS/ with image files ({error})") from None
    if odd := set(train.classes) ^ set(test.classes):
        raise SystemExit(f"--data {args.data}: in train/ or in val/, but not in both: {', '.join(sorted(odd)[:5])}")
    if len(train) < args.batch_size:
        raise SystemExit(f"--batch-size {args.batch_size}: more than the {len(train)} images of train/; take fewer")
    train.seed = args.seed
    return train, test


def make_loaders(args: argparse.Namespace, train: TrainImages, test: ImageFolder) -> tuple[DataLoader, DataLoader]:
    """This process's share of every global batch, and of the validation images: each of them once."""
    rank, world_size = dist.get_rank(), dist.get_world_size()
    if args.batch_size % world_size:
        raise SystemExit(f"--batch-size {args.batch_size}: {world_size} processes cannot share it equally")
    share, pin = args.batch_size // world_size, torch.cuda.is_available()
    load = partial(DataLoader, batch_size=share, num_workers=args.workers, pin_memory=pin)
    sampler = DistributedSampler(train, seed=args.seed, drop_last=True)
    return load(train, sampler=sampler, drop_last=True), load(test, sampler=range(rank, len(test), world_size))


def make_optimizer(args: argparse.Namespace, net: nn.Module) -> torch.optim.Optimizer:
    """SGD with momentum and weight decay, from which the parameters of normalisation layers are spared."""
    norms = [p for module in net.modules() if "Norm" in type(module).__name__ for p in module.parameters(recurse=False)]
    others = [p for p in net.parameters() if all(p is not norm for norm in norms)]
    groups = [{"params": norms, "weight_decay": 0.0}, {"params": others}]
    return torch.optim.SGD(groups, lr=args.lr, momentum=0.9, weight_decay=2e-5)


def learning_rate(args: argparse.Namespace, epoch: int) -> float:
    """Up in a line from a hundredth of the rate over the warm-up, then down along a cosine to zero."""
    if epoch < args.warmup:
        return args.lr * (0.01 + 0.99 * epoch / args.warmup)
    return args.lr * (1 + math.cos(math.pi * (epoch - args.warmup) / (args.epochs - args.warmup))) / 2


def run_epoch(args, net: nn.Module, loader: DataLoader, device, optimizer=None) -> tuple[float, float]:
    """One pass, which trains if there is an optimizer: mean loss and accuracy over the images of all processes."""
    net.train(optimizer is not None)
    loss_sum, num_right, num_images = totals = torch.zeros(3, dtype=torch.float64, device=device)
    for X, y in loader:
        X, y = (batch.to(device, non_blocking=True) for batch in (X, y))
        with torch.autocast(device.type, torch.bfloat16, enabled=args.precision == "bfloat16"):
            logits = net(X.contiguous(memory_format=torch.channels_last))
            loss = F.cross_entropy(logits, y, label_smoothing=0.1 if net.training else 0.0)
        if optimizer is not None:
            optimizer.zero_grad()
            loss.backward()  # DistributedDataParallel averages the gradients of all processes here
            optimizer.step()
        loss_sum += loss.detach() * len(y)
        num_right += (logits.argmax(1) == y).sum()
        num_images += len(y)
    dist.all_reduce(totals)
    return (loss_sum / num_images).item(), (num_right / num_images).item()


def resume(path: Path, settings: dict, net: nn.Module, optimizer: torch.optim.Optimizer) -> list[dict]:
    """Load the last finished epoch into ``net`` and ``optimizer``; returns the history, empty for a new run."""
    if not path.parent.is_dir():
        raise SystemExit(f"--checkpoint {path}: there is no folder {path.parent}")
    state = torch.load(path, map_location="cpu", weights_only=True) if path.exists() else {"history": []}
    epochs: list[int] = [0] * dist.get_world_size()
    dist.all_gather_object(epochs, len(state["history"]))
    if len(set(epochs)) > 1:
        raise SystemExit(f"--checkpoint {path}: processes found epochs {epochs}; put it where every host can read it")
    if state["history"]:
        there = state["settings"]
        other = [f"{name} {there[name]} there, {here} here" for name, here in settings.items() if there[name] != here]
        if other:
            raise SystemExit(f"--checkpoint {path}: of another run ({'; '.join(other)}); name another file")
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
    return state["history"]


def start_processes() -> torch.device:
    """Join the processes that torchrun started, or be the only one; returns this process's device."""
    if os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0") != "0" and os.environ.get(FRESH_STORE) != "1":
        raise SystemExit(f"--max-restarts: new workers would look for those that died; export {FRESH_STORE}=1 first")
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    alone = {} if "RANK" in os.environ else {"store": dist.HashStore(), "rank": 0, "world_size": 1}
    dist.init_process_group("nccl" if cuda else "gloo", **alone)
    return device


def main(argv: list[str] | None = None) -> None:
    """Train to the last epoch, from the checkpoint if there is one."""
    args = read_arguments(argv)
    train, test = open_images(args)
    net, parallel = build(args, len(train.classes)), None
    device = start_processes()
    try:
        net = net.to(device, memory_format=torch.channels_last)
        (train_loader, test_loader), optimizer = make_loaders(args, train, test), make_optimizer(args, net)
        settings = {name: value for name, value in vars(args).items() if name not in ("data", "checkpoint", "workers")}
        settings["classes"] = train.classes
        history = resume(args.checkpoint, settings, net, optimizer)
        parallel = DistributedDataParallel(net, device_ids=[device.index] if device.type == "cuda" else None)
        for epoch in range(len(history), args.epochs):
            torch.manual_seed(hash((args.seed, epoch, dist.get_rank())))  # all that is random follows from these three
            train.epoch = epoch
            train_loader.sampler.set_epoch(epoch)
            lr = learning_rate(args, epoch)
            for group in optimizer.param_groups:
                group["lr"] = lr
            loss, accuracy = run_epoch(args, parallel, train_loader, device, optimizer)
            if not math.isfinite(loss):
                raise SystemExit(f"--lr {args.lr}: the loss is no longer a number in epoch {epoch + 1}; take less")
            with torch.no_grad():
                test_loss, test_accuracy = run_epoch(args, net, test_loader, device)
            row = {"lr": lr, "loss": loss, "accuracy": accuracy, "test_loss": test_loss, "test_accuracy": test_accuracy}
            history.append(row)
            if dist.get_rank() == 0:
                state = {"net": net.state_dict(), "optimizer": optimizer.state_dict()}
                state |= {"history": history, "settings": settings}
                write_atomically(args.checkpoint, partial(torch.save, state))
                values = ", ".join(f"{name} {value:.4f}" for name, value in row.items())
                print(f"{time.strftime('%X')} epoch {epoch + 1} of {args.epochs}: {values}", flush=True)
    finally:
        del parallel  # before the group: the last to go waits for its threads, and would hold what they wait for
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
