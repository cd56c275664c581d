"""The same physics as `deflectors` and `light`, fused for a CPU: one pass over the rays of a lens, in float32.

Every inner loop is a row of rays without a branch, so that the compiler can use the processor's vectors; logarithm,
exponential and arctangent are polynomials for the same reason (relative error below 3e-7). Tests hold it against the
torch functions, which stay what gradients and GPUs use.
"""

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float32
from numba import njit, types
from numba.extending import intrinsic

F = np.float32
LOG2E = F(1.4426950408889634)
LN2 = F(0.6931471805599453)
AT_ONCE = 512  # rays that stay in the nearest cache
CURVED = F(0.5)  # of the threshold: a cell that differs so much from its neighbours is looked at by more rays
SETTLED = F(4)  # thresholds that more rays may change it by without a call for more: of the change a ninth is left
Scalar = np.float32
Row = Float32[np.ndarray, " k"]
Rows = Float32[np.ndarray, "k m"]
Lens = tuple[Any, ...]


def _cast(typing: Any, x: Any, result: Any) -> Any:
    """A conversion that keeps the bits."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(result))

    return result(x), code


_bits: Any = intrinsic(lambda typing, x: _cast(typing, types.float32, types.int32))  # of a float32
_float: Any = intrinsic(lambda typing, x: _cast(typing, types.int32, types.float32))  # that has these bits


def compiled(function: Callable[..., Any]) -> Any:
    """Compile a function; what checks its shapes in tests is taken off first."""
    return njit(fastmath=True, cache=True, error_model="numpy")(inspect.unwrap(function))


@compiled
def log2(x: Scalar) -> Scalar:
    """Base-2 logarithm of a positive normal number."""
    bits = _bits(x)
    shifted = bits - np.int32(0x3F3504F3)  # mantissa from sqrt(1/2) to sqrt(2)
    exponent = shifted >> np.int32(23)
    m = _float(bits - (exponent << np.int32(23)))
    s = (m - F(1)) / (m + F(1))
    q = s * s
    series = F(0.4121985831111324) + q * F(0.3205988979753252)
    series = F(2.8853900817779268) + q * (F(0.9617966939259756) + q * (F(0.5770780163555854) + q * series))
    return F(exponent) + s * series


@compiled
def exp2(x: Scalar) -> Scalar:
    """Two to a power; 0 below 2^-126."""
    x = max(x, F(-126.0))
    whole = np.int32(x + F(127.5)) - np.int32(127)  # rounds to the nearest, as x + 127 is positive
    r = (x - F(whole)) * LN2
    p = F(1) + r * (
        F(1) + r * (F(0.5) + r * (F(1 / 6) + r * (F(1 / 24) + r * (F(1 / 120) + r * (F(1 / 720) + r * F(1 / 5040))))))
    )
    return p * _float((whole + np.int32(127)) << np.int32(23))


@compiled
def atan2(y: Scalar, x: Scalar) -> Scalar:
    """Angle of (x, y), from -pi to pi."""
    ax, ay = abs(x), abs(y)
    high, low = max(ax, ay), min(ax, ay)
    t = low / max(high, F(1e-30))
    steep = t > F(0.4142135623730950)
    u = (t - F(1)) / (t + F(1)) if steep else t
    z = u * u
    a = u + u * z * (
        F(-3.33329491539e-1) + z * (F(1.99777106478e-1) + z * (F(-1.38776856032e-1) + z * F(8.05374449538e-2)))
    )
    a = a + F(math.pi / 4) if steep else a
    a = F(math.pi / 2) - a if ay > ax else a
    a = F(math.pi) - a if x < F(0) else a
    return -a if y < F(0) else a


@compiled
def bend_smooth(x: Row, y: Row, main: Row, terms: Row, bx: Row, by: Row) -> None:
    """Deflection of an EPL, multipoles 3 and 4, external shear and a sheet, for rays at (x, y).

    `main`: centre x, y; cos, sin of the major axis; axis ratio; scale theta_E sqrt(q); 2 scale / (1 + q);
    (slope - 2) / 2; shear 1, 2; convergence of the sheet; and of each multipole amplitude / (1 - m^2), and the cos and
    sin of m times its angle. `terms`: the coefficients of the EPL's series from the last to the first, a multiple of
    four of them.
    """
    cx, cy, cos, sin, q, scale, strength, power = main[0], main[1], main[2], main[3], main[4], main[5], main[6], main[7]
    g1, g2, kappa = main[8], main[9], main[10]
    m3, c3, s3, m4, c4, s4 = main[11], main[12], main[13], main[14], main[15], main[16]
    size = len(x)
    cs, sn, c2, s2 = np.empty_like(x), np.empty_like(x), np.empty_like(x), np.empty_like(x)
    square, re, im = np.empty_like(x), np.ones_like(x), np.zeros_like(x)
    for j in range(size):
        dx, dy = x[j] - cx, y[j] - cy
        u, v = q * (cos * dx + sin * dy), cos * dy - sin * dx
        square[j] = max(u * u + v * v, F(1e-24))
        inverse = F(1) / np.sqrt(square[j])
        cs[j], sn[j] = u * inverse, v * inverse
        c2[j], s2[j] = cs[j] * cs[j] - sn[j] * sn[j], F(2) * cs[j] * sn[j]
    for k in range(0, len(terms), 4):  # from the last term inwards; four at a time stay in registers
        a1, a2, a3, a4 = terms[k], terms[k + 1], terms[k + 2], terms[k + 3]
        for j in range(size):
            c, s, r, i = c2[j], s2[j], re[j], im[j]
            r, i = F(1) + a1 * (c * r - s * i), a1 * (c * i + s * r)
            r, i = F(1) + a2 * (c * r - s * i), a2 * (c * i + s * r)
            r, i = F(1) + a3 * (c * r - s * i), a3 * (c * i + s * r)
            re[j], im[j] = F(1) + a4 * (c * r - s * i), a4 * (c * i + s * r)
    for j in range(size):
        dx, dy = x[j] - cx, y[j] - cy
        rise = strength if power == F(0) else strength * exp2(power * (F(2) * log2(scale) - log2(square[j])))
        along, across = rise * (cs[j] * re[j] - sn[j] * im[j]), rise * (cs[j] * im[j] + sn[j] * re[j])
        bx[j] = cos * along - sin * across + g1 * x[j] + g2 * y[j] + kappa * dx
        by[j] = sin * along + cos * across + g2 * x[j] - g1 * y[j] + kappa * dy
    if m3 != F(0) or m4 != F(0):
        for j in range(len(x)):
            dx, dy = x[j] - cx, y[j] - cy
            inverse = F(1) / np.sqrt(max(dx * dx + dy * dy, F(1e-24)))
            c, s = dx * inverse, dy * inverse
            c2, s2 = c * c - s * s, F(2) * c * s
            re3, im3 = c2 * c - s2 * s, c2 * s + s2 * c
            re4, im4 = c2 * c2 - s2 * s2, F(2) * c2 * s2
            along = m3 * (re3 * c3 + im3 * s3) + m4 * (re4 * c4 + im4 * s4)
            across = F(3) * m3 * (im3 * c3 - re3 * s3) + F(4) * m4 * (im4 * c4 - re4 * s4)
            bx[j] += c * along + s * across
            by[j] += s * along - c * across


@compiled
def bend_points(x: Row, y: Row, points: Rows, bx: Row, by: Row) -> None:
    """Point masses; a point is x, y, einstein_radius^2."""
    for k in range(len(points)):
        px, py, strength = points[k, 0], points[k, 1], points[k, 2]
        for j in range(len(x)):
            dx, dy = x[j] - px, y[j] - py
            pull = strength / max(dx * dx + dy * dy, F(1e-18))
            bx[j] += pull * dx
            by[j] += pull * dy


@compiled
def bend_spheres(x: Row, y: Row, spheres: Rows, bx: Row, by: Row) -> None:
    """Singular isothermal spheres; a sphere is x, y, einstein_radius."""
    for k in range(len(spheres)):
        px, py, strength = spheres[k, 0], spheres[k, 1], spheres[k, 2]
        for j in range(len(x)):
            dx, dy = x[j] - px, y[j] - py
            pull = strength / np.sqrt(max(dx * dx + dy * dy, F(1e-24)))
            bx[j] += pull * dx
            by[j] += pull * dy


@compiled
def bend_halos(x: Row, y: Row, halos: Rows, table: Row, low: Scalar, per_step: Scalar, bx: Row, by: Row) -> None:
    """Truncated NFW halos; a halo is x, y, 4 scale_convergence, 1 / scale_radius^2, and `table` holds the mass inside u
    scale radii over u^2, at equal steps of log2(u^2) from `low`: nearer, it is as at its first entry."""
    top = F(len(table) - 2)
    at, pull = np.empty_like(x), np.empty_like(x)
    for k in range(len(halos)):
        px, py, strength, inverse = halos[k, 0], halos[k, 1], halos[k, 2], halos[k, 3]
        for j in range(len(x)):
            dx, dy = x[j] - px, y[j] - py
            at[j] = min(max((log2(max((dx * dx + dy * dy) * inverse, F(1e-30))) - low) * per_step, F(0)), top)
        for j in range(len(x)):
            i = np.uint32(at[j])  # unsigned: a table is never read from its end
            pull[j] = table[i] + (at[j] - F(i)) * (table[i + np.uint32(1)] - table[i])
        for j in range(len(x)):
            bx[j] += strength * pull[j] * (x[j] - px)
            by[j] += strength * pull[j] * (y[j] - py)


@compiled
def bend_line(x: Row, y: Row, line: Row, bx: Row, by: Row) -> None:
    """A line of mass: its middle x, y; cos, sin of its angle; half-length; einstein_radius^2 / (2 half_length)."""
    cx, cy, cos, sin, half, strength = line[0], line[1], line[2], line[3], line[4], line[5]
    for j in range(len(x)):
        u, v = x[j] - cx, y[j] - cy
        ax, ay = u + half * cos, v + half * sin
        dx, dy = u - half * cos, v - half * sin
        modulus = F(0.5) * LN2 * (log2(max(ax * ax + ay * ay, F(1e-30))) - log2(max(dx * dx + dy * dy, F(1e-30))))
        argument = atan2(ay * dx - ax * dy, ax * dx + ay * dy)
        bx[j] += strength * (cos * modulus + sin * argument)
        by[j] += strength * (sin * modulus - cos * argument)


@compiled
def shine(x: Row, y: Row, sersics: Rows, clumps: Rows, out: Row) -> None:
    """Add the brightness of rays at (x, y) of the source plane. A Sersic profile is x, y; cos, sin of its major axis;
    axis ratio; 1 / radius^2; log2 of its brightness at the centre; b log2(e); 1 / (2 index). A clump is x, y, its
    brightness at the centre, log2(e) / (2 width^2)."""
    for k in range(len(sersics)):
        cx, cy, cos, sin, q = sersics[k, 0], sersics[k, 1], sersics[k, 2], sersics[k, 3], sersics[k, 4]
        inverse, bright, b, power = sersics[k, 5], sersics[k, 6], sersics[k, 7], sersics[k, 8]
        for j in range(len(x)):
            dx, dy = x[j] - cx, y[j] - cy
            u, v = cos * dx + sin * dy, cos * dy - sin * dx
            square = max((q * u * u + v * v / q) * inverse, F(1e-18))
            root = np.sqrt(square) if power == F(0.5) else exp2(power * log2(square))
            out[j] += exp2(bright - b * root)
    for k in range(len(clumps)):
        cx, cy, bright, inverse = clumps[k, 0], clumps[k, 1], clumps[k, 2], clumps[k, 3]
        for j in range(len(x)):
            dx, dy = x[j] - cx, y[j] - cy
            out[j] += bright * exp2(-(dx * dx + dy * dy) * inverse)


@compiled
def show(x: Row, y: Row, place: Row, pixels: Rows, out: Row) -> None:
    """Add a picture as it is seen by rays at (x, y) of the source plane, bilinear between its pixels and dark outside.
    `place`: its middle x, y; cos, sin of its angle; pixels per arcsec; flux / arcsec^2 of a pixel that holds it all."""
    cx, cy, cos, sin, per_arcsec, bright = place[0], place[1], place[2], place[3], place[4], place[5]
    height, width = pixels.shape
    for j in range(len(x)):
        dx, dy = x[j] - cx, y[j] - cy
        column = (cos * dx + sin * dy) * per_arcsec + F(0.5) * F(width - 1)
        row = (cos * dy - sin * dx) * per_arcsec + F(0.5) * F(height - 1)
        if column <= F(-1) or row <= F(-1) or column >= F(width) or row >= F(height):
            continue
        left, low = int(np.floor(column)), int(np.floor(row))
        right_share, high_share = column - F(left), row - F(low)
        for up in range(2):
            for on in range(2):
                i, k = low + up, left + on
                if 0 <= i < height and 0 <= k < width:
                    share = high_share if up else F(1) - high_share
                    out[j] += bright * share * (right_share if on else F(1) - right_share) * pixels[i, k]


@compiled
def see(x: Row, y: Row, lens: Lens, out: Row) -> None:
    """Brightness that rays at (x, y) see; `lens` is what `fused.packed` makes."""
    main, terms, points, spheres, halos, table, low, per_step, line, sersics, clumps, lights, place, pixels = lens
    bx, by = np.empty_like(x), np.empty_like(x)
    bend_smooth(x, y, main, terms, bx, by)
    bend_points(x, y, points, bx, by)
    bend_spheres(x, y, spheres, bx, by)
    bend_halos(x, y, halos, table, low, per_step, bx, by)
    if len(line):
        bend_line(x, y, line, bx, by)
    for j in range(len(x)):
        bx[j], by[j] = x[j] - bx[j], y[j] - by[j]
    out[:] = F(0)
    shine(bx, by, sersics, clumps, out)
    if len(place):
        show(bx, by, place, pixels, out)
    if len(lights):
        shine(x, y, lights, clumps[:0], out)


@compiled
def rays(size: int, first: Scalar, step: Scalar, threshold: Scalar, lens: Lens) -> Rows:
    """Mean brightness of size x size cells, `step` arcsec wide, the middle of the first of them at (first, first).

    A cell is seen by one ray through its middle; where that may be off by more than `threshold` (the curvature of the
    brightness says so), by 3 x 3, and where these change it by much more, by 9 x 9 and by 27 x 27. A threshold of zero
    means one ray.
    """
    axis = first + step * np.arange(size).astype(np.float32)
    frame = np.empty((size, size), dtype=np.float32)
    x, y = np.empty_like(frame), np.empty_like(frame)
    for i in range(size):
        x[i], y[i] = axis, axis[i]
    flat_x, flat_y, flat = x.ravel(), y.ravel(), frame.ravel()
    for start in range(0, size * size, AT_ONCE):
        some = slice(start, min(start + AT_ONCE, size * size))
        see(flat_x[some], flat_y[some], lens, flat[some])
    if threshold > F(0):
        refine(frame, axis, step, threshold, lens)
    return frame


@compiled
def refine(out: Rows, x: Row, step: Scalar, threshold: Scalar, lens: Lens) -> None:
    """See the cells that need it by more rays; see `rays`."""
    size = len(x)
    cells = np.empty(size * size, dtype=np.int32)
    count = 0
    for i in range(size):
        for j in range(size):
            around = out[max(i - 1, 0), j] + out[min(i + 1, size - 1), j]
            around += out[i, max(j - 1, 0)] + out[i, min(j + 1, size - 1)]
            if abs(F(0.25) * around - out[i, j]) > CURVED * threshold:
                cells[count] = i * size + j
                count += 1
    for split in (3, 9, 27):
        left = 0
        offsets = (np.arange(split).astype(np.float32) - F((split - 1) / 2)) * (step / F(split))
        number = split * split
        many = max(1, AT_ONCE // number)  # cells seen at once
        sx, sy, seen = np.empty((3, many * number), dtype=np.float32)
        for start in range(0, count, many):
            some = min(many, count - start)
            for k in range(some):
                i, j = cells[start + k] // size, cells[start + k] % size
                for n in range(number):
                    sx[k * number + n] = x[j] + offsets[n % split]
                    sy[k * number + n] = x[i] + offsets[n // split]
            see(sx[: some * number], sy[: some * number], lens, seen[: some * number])
            for k in range(some):
                i, j = cells[start + k] // size, cells[start + k] % size
                mean = seen[k * number : (k + 1) * number].mean()
                change = abs(mean - out[i, j])
                out[i, j] = mean
                if change > SETTLED * threshold:
                    cells[left] = cells[start + k]
                    left += 1
        count = left


@compiled
def blur(rays: Rows, psf: Row, per_pixel: int) -> Rows:
    """Convolve with a separable PSF (one axis of it) and average per_pixel x per_pixel rays: the frame without its
    margin, which is as wide as the PSF's radius."""
    size, taps = len(rays), len(psf)
    inner = size - taps + 1
    pixels = inner // per_pixel
    across = np.empty((size, inner), dtype=np.float32)
    for i in range(size):
        row = across[i]
        row[:] = 0
        for k in range(taps):
            tap = psf[k]
            for j in range(inner):
                row[j] += tap * rays[i, j + k]
    out = np.zeros((pixels, pixels), dtype=np.float32)
    row = np.empty(inner, dtype=np.float32)
    share = F(1) / F(per_pixel * per_pixel)
    for i in range(pixels):
        row[:] = 0
        for k in range(taps):
            tap = psf[k] * share
            for n in range(per_pixel):
                for j in range(inner):
                    row[j] += tap * across[i * per_pixel + n + k, j]
        for n in range(per_pixel):
            for j in range(pixels):
                out[i, j] += row[j * per_pixel + n]
    return out
