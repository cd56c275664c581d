"""Polar maps against scikit-image's `warp_polar` and OpenCV's `remap`, one image at a time.

    OMP_NUM_THREADS=1 python -m benchmarks.features.polar

One thread a side, blocks of 64 images in float32, the same points: 128 angles by half the frame's radii, and the map
of the frame's own shape. OpenCV has its coordinates made beforehand; scikit-image starts at radius and angle zero.
"""

import math

import cv2
import numpy as np
import torch
from skimage.transform import warp_polar

from benchmarks.turns import compare
from features.geometry.polar import unwrap

IMAGES = 64


def duel(size: int, rows: int, columns: int, bar: float) -> None:
    images = torch.from_numpy(np.random.default_rng(0).normal(1, 1, (IMAGES, size, size)).astype(np.float32))
    radii = [i * size / 2 / rows for i in range(rows)]
    angles = [j * 2 * math.pi / columns for j in range(columns)]
    y, x = ((size - 1) / 2 + np.outer(radii, wave(angles)).astype(np.float32) for wave in (np.sin, np.cos))
    middle = ((size - 1) / 2, (size - 1) / 2)

    def scikit() -> list[np.ndarray]:
        shape = (columns, rows)
        return [warp_polar(a, radius=size / 2, output_shape=shape, center=middle) for a in images.numpy()]

    def opencv() -> list[np.ndarray]:
        return [cv2.remap(a, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for a in images.numpy()]

    def ours() -> torch.Tensor:
        return unwrap(images, radii, angles)

    inside = np.array(radii) < (size - 1) / 2 - 1  # beyond, scikit-image reads zeros
    from_scikit = np.abs(ours().numpy() - np.stack(scikit()).transpose(0, 2, 1))[:, inside].max()
    from_opencv = np.abs(ours().numpy() - np.stack(opencv())).max()
    what = f"{size} x {size} to {rows} x {columns}"
    compare(f"scikit-image, {what}, differs by {from_scikit:.0e}", scikit, ours, bar)
    compare(f"OpenCV, {what}, differs by {from_opencv:.0e}", opencv, ours, 1)


def main() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print(f"{IMAGES} images; the library one by one, ours, times as fast; one thread each")
    for size, bar in ((64, 40), (150, 15)):
        duel(size, size // 2, 128, bar)
        duel(size, size, size, bar)


if __name__ == "__main__":
    main()
