"""How fast ridges are found, beside scikit-image one image at a time.

    OMP_NUM_THREADS=1 python -m benchmarks.features.ridge

One thread a side, float32, three scales, in blocks of 64 images. The rest of the family follows, without a bar.
"""

import cv2
import numpy as np
import torch
from scipy import ndimage
from skimage.filters import difference_of_gaussians as their_difference
from skimage.filters import sato
from skimage.morphology import disk, white_tophat

from benchmarks.turns import compare
from features import MAPS
from features.ring.ridge import ridge

SIGMAS = [1.0, 2.0, 3.0]
IMAGES = 64
BARS = {64: 20, 150: 12}


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print(f"{IMAGES} images; scikit-image or SciPy one at a time, ours, times as fast; one thread each")
    for side, bar in BARS.items():
        images = np.random.default_rng(0).normal(1, 1, (IMAGES, side, side)).astype(np.float32)
        ours = torch.from_numpy(images)
        ridge(ours, SIGMAS)  # compiled
        compare(
            f"ridge at three sigmas, {side} x {side}",
            lambda images=images: [sato(image, sigmas=SIGMAS, black_ridges=False, mode="mirror") for image in images],
            lambda ours=ours: ridge(ours, SIGMAS),
            bar,
        )
        theirs = {
            "difference_of_gaussians": lambda image: their_difference(image, 1.0, 1.6, mode="mirror"),
            "laplacian_of_gaussian": lambda image: ndimage.gaussian_laplace(image, 1.5, mode="mirror"),
            "white_top_hat": lambda image: white_tophat(image, disk(5)),
        }
        for name, peer in theirs.items():
            compare(
                f"{name}, {side} x {side}",
                lambda images=images, peer=peer: [peer(image) for image in images],
                lambda ours=ours, name=name: MAPS[name].compute(ours),
                None,
            )


if __name__ == "__main__":
    main()
