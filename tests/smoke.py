"""LeNet learns for an epoch: what every system, Python and PyTorch that the package promises must manage.

python -m tests.smoke 2.5.    # and the version of torch starts like this
"""

import sys

import torch
from torch import nn

import d2ltorch as d2lt
from book.notebooks import definitions


def main(torch_version: str = "") -> None:
    """Train for one epoch on 5,000 images; stop with an error unless the network has learned from them."""
    if not torch.__version__.startswith(torch_version):
        raise SystemExit(f"torch is {torch.__version__}, not {torch_version}*")
    torch.manual_seed(0)
    net = definitions("lenet")["lenet"](activation=nn.ReLU, pool=nn.MaxPool2d)
    net.apply(d2lt.init_xavier)
    train_iter, test_iter = d2lt.load_data_fashion_mnist(16, num_train=5000, num_test=1000)
    history = d2lt.train(net, train_iter, test_iter, num_epochs=1, lr=0.1)
    print(f"{sys.platform}, Python {sys.version.split()[0]}, torch {torch.__version__}: {train_iter.source}")
    print(d2lt.layer_summary(net, (1, 1, 28, 28)))
    print(history)
    if not history.test_acc[-1] > 0.5:
        raise SystemExit(f"the test accuracy is {history.test_acc[-1]:.3f}; one epoch gives more than 0.5")


if __name__ == "__main__":
    main(*sys.argv[1:])
