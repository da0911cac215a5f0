"""Write ``d2ltorch/sample.npz``: the first 5,000 training and 1,000 test images of Fashion-MNIST.

D2LTORCH_DATA=folder python -m book.sample
"""

import numpy as np

from d2ltorch import download

NUM_TRAIN, NUM_TEST = 5_000, 1_000


def main() -> None:
    splits, arrays = download.read_files(download.data_folder(None)), {}
    for (images, labels), split, count in zip(splits, ("train", "test"), (NUM_TRAIN, NUM_TEST)):
        arrays[f"{split}_images"] = images[:count].numpy()
        arrays[f"{split}_labels"] = labels[:count].numpy().astype(np.uint8)
    np.savez_compressed(download.SAMPLE, **arrays)
    print(f"{download.SAMPLE.name}: {download.SAMPLE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
