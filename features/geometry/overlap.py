"""What every annulus has of every pixel, exactly: the area of a pixel within a circle or an ellipse.

An ellipse of axis ratio q is a circle in coordinates that are stretched along its axes without a change of area, in
which a pixel is a parallelogram. Arrays here are NumPy's and cached: they depend on the frame and not on an image.
"""

import math
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int

ROUNDING = 1e-12  # pixels; what touches in a point has no area


def circular(height: int, width: int, axis_ratio: float, angle: float) -> tuple[Float[np.ndarray, "h w"], ...]:
    """Coordinates of every pixel in which ellipses about the centre are circles of the same area, pixels.

    `angle` is that of the long axis, radians from +x (columns) towards +y (rows).
    """
    y, x = np.ogrid[:height, :width]
    return _stretched(x - (width - 1) / 2, y - (height - 1) / 2, axis_ratio, angle)


def number_of_annuli(height: int, width: int, thickness: float, axis_ratio: float, angle: float) -> int:
    """How many annuli the frame holds whole, centre first."""
    if not 0 < axis_ratio <= 1:
        raise ValueError(f"axis_ratio: {axis_ratio:g} is no ratio of a short axis to a long one; 0 < axis_ratio <= 1")
    if not math.isfinite(angle):
        raise ValueError(f"angle: {angle:g} is no angle; give radians")
    if not thickness > 0:
        raise ValueError(f"width: an annulus {thickness:g} pixels wide holds nothing; it must be above zero")
    long, short = 1 / axis_ratio, axis_ratio  # squares of the half axes of the ellipse of unit radius
    across = math.sqrt(long * math.cos(angle) ** 2 + short * math.sin(angle) ** 2)
    down = math.sqrt(long * math.sin(angle) ** 2 + short * math.cos(angle) ** 2)
    reach = min(width / 2 / across, height / 2 / down)
    if thickness > reach * (1 + 1e-12):
        raise ValueError(f"width: {thickness:g} pixels; the frame holds no annulus wider than {reach:g} whole")
    return math.floor(reach / thickness * (1 + 1e-12))


@lru_cache(maxsize=16)
def annulus_overlap(
    height: int, width: int, thickness: float, axis_ratio: float, angle: float
) -> Float[np.ndarray, "r h w"]:
    """Area that each whole annulus has of each pixel, 0 to 1."""
    number = number_of_annuli(height, width, thickness, axis_ratio, angle)
    u, v = circular(height, width, axis_ratio, angle)
    corner_x, corner_y = np.array([[-1, 1, 1, -1], [-1, -1, 1, 1]]) / 2
    corner_u, corner_v = _stretched(corner_x, corner_y, axis_ratio, angle)
    distance, extent = np.hypot(u, v), np.hypot(corner_u, corner_v).max()
    within = np.zeros((number + 1, height, width))
    for ring, radius in enumerate(thickness * np.arange(number + 1)):
        within[ring] = distance < radius
        cut = np.abs(distance - radius) <= extent
        within[ring][cut] = _polygon_in_circle(u[cut][:, None] + corner_u, v[cut][:, None] + corner_v, radius)
    area = np.diff(within, axis=0)
    return np.where(area > ROUNDING, area, 0)


def _stretched(x: np.ndarray, y: np.ndarray, axis_ratio: float, angle: float) -> tuple[np.ndarray, np.ndarray]:
    along, across = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    return along * math.sqrt(axis_ratio), across / math.sqrt(axis_ratio)


def _polygon_in_circle(x: Float[np.ndarray, "k v"], y: Float[np.ndarray, "k v"], radius: float) -> np.ndarray:
    """Area that k polygons, their corners in order, have in common with a circle about the origin.

    Every side spans a triangle with the centre, of which the circle leaves a sector, a triangle and a sector; with
    their signs they add up to the polygon.
    """
    dx, dy = np.roll(x, -1, axis=1) - x, np.roll(y, -1, axis=1) - y
    length, along = dx**2 + dy**2, x * dx + y * dy
    root = np.sqrt(np.maximum(along**2 - length * (x**2 + y**2 - radius**2), 0))
    enters, leaves = np.clip((-along - root) / length, 0, 1), np.clip((-along + root) / length, 0, 1)
    x1, y1, x2, y2 = x + enters * dx, y + enters * dy, x + leaves * dx, y + leaves * dy
    sectors = _turn(x, y, x1, y1) + _turn(x2, y2, x + dx, y + dy)
    return (radius**2 * sectors + x1 * y2 - y1 * x2).sum(axis=1) / 2


def _turn(x1: np.ndarray, y1: np.ndarray, x2: np.ndarray, y2: np.ndarray) -> np.ndarray:
    """Angle from one direction to another, radians."""
    return np.arctan2(x1 * y2 - y1 * x2, x1 * x2 + y1 * y2)


@lru_cache(maxsize=16)
def annulus_pixels(
    height: int, width: int, thickness: float, axis_ratio: float, angle: float
) -> tuple[Int[np.ndarray, "r m"], Int[np.ndarray, " r"]]:
    """Places (row x width + column) of the pixels whose centres lie in each whole annulus, and how many they are.

    Rows shorter than the longest are filled up by their first pixel. An annulus without a centre, as thin ones near
    the middle are, has the pixels that it touches.
    """
    touched = annulus_overlap(height, width, thickness, axis_ratio, angle).reshape(-1, height * width) > 0
    ring = (np.hypot(*circular(height, width, axis_ratio, angle)) / thickness).astype(int).ravel()
    own = [np.flatnonzero(ring == k) for k in range(len(touched))]
    chosen = [pixels if len(pixels) else np.flatnonzero(touched[k]) for k, pixels in enumerate(own)]
    numbers = np.array([len(pixels) for pixels in chosen])
    return np.stack([np.pad(p, (0, numbers.max() - len(p)), constant_values=p[0]) for p in chosen]), numbers
