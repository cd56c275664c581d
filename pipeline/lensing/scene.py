"""A scene: lenses with all that bends light and all that shines, as tensors, and the brightness that rays see.

Plain torch, batched over lenses, differentiable in every number; `fused` draws the same on a CPU in less time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from pipeline.lensing import deflectors, light
from pipeline.lensing.deflectors import Deflection

PerLens = Float[Tensor, " n"]
Many = Float[Tensor, "n _"]  # padded with strength or flux zero
AT_ONCE = 2**24  # numbers in one temporary of the subhalos' deflection


@dataclass(frozen=True)
class Scene:
    """Lenses in the units of `parameters`, with fluxes in place of magnitudes; what is empty is not there."""

    main: Mapping[str, PerLens]  # einstein_radius, axis_ratio, angle, slope, lens_x, lens_y, shear1, shear2, sheet, ...
    galaxies: tuple[Mapping[str, PerLens], ...]  # sources: flux, x, y (from the lens), radius, axis_ratio, angle, index
    lights: tuple[Mapping[str, PerLens], ...] = ()  # of the lens itself: the same
    clumps: Mapping[str, Many] = field(default_factory=dict)  # of the sources: flux, x, y (from the lens), width
    points: Mapping[str, Many] = field(default_factory=dict)  # einstein_radius, x, y (from the lens)
    spheres: Mapping[str, Many] = field(default_factory=dict)  # likewise
    halos: Mapping[str, Many] = field(default_factory=dict)  # scale_convergence, scale_radius, x, y; and truncation
    line: Mapping[str, PerLens] = field(default_factory=dict)  # einstein_radius, half_length, angle
    picture: Mapping[str, Tensor] = field(default_factory=dict)  # a source: flux, x, y, angle, scale; pixels (n, h, w)
    isothermal: bool = True  # every slope is 2, so that the closed form of the SIE serves
    terms: int = deflectors.TERMS  # of the series where it does not

    def some(self, lenses: Int[np.ndarray, " m"]) -> "Scene":
        """Those lenses alone."""
        return self._each(lambda own: own[torch.from_numpy(lenses)])

    def to(self, where: torch.device | torch.dtype | str) -> "Scene":
        """The same on another device, or in another precision."""
        return self._each(lambda own: own.to(where))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Scene":
        def of(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: change(own) for name, own in values.items()}

        return Scene(
            main=of(self.main),
            galaxies=tuple(map(of, self.galaxies)),
            lights=tuple(map(of, self.lights)),
            clumps=of(self.clumps),
            points=of(self.points),
            spheres=of(self.spheres),
            halos=of(self.halos),
            line=of(self.line),
            picture=of(self.picture),
            isothermal=self.isothermal,
            terms=self.terms,
        )


def brightness(scene: Scene, x: Float[Tensor, "h w"], y: Float[Tensor, "h w"]) -> Float[Tensor, "n h w"]:
    """What rays at (x, y) see, flux per square arcsec."""
    main = _ready(scene.main)
    dx, dy = x - main["lens_x"], y - main["lens_y"]
    bend_x, bend_y = deflection(scene, x, y)
    seen = _shine(scene.galaxies, dx - bend_x, dy - bend_y)
    if scene.clumps:
        one = {name: values[:, None, None, :] for name, values in scene.clumps.items()}
        seen = seen + light.knots(dx - bend_x, dy - bend_y, one["flux"], one["x"], one["y"], one["width"])
    if scene.picture:
        one = _ready({name: values for name, values in scene.picture.items() if name != "pixels"})
        turned = deflectors.rotated(dx - bend_x - one["x"], dy - bend_y - one["y"], one["angle"])
        seen = seen + light.picture(*turned, one["flux"], scene.picture["pixels"], one["scale"])
    return seen + _shine(scene.lights, dx, dy)


def deflection(scene: Scene, x: Float[Tensor, "h w"], y: Float[Tensor, "h w"]) -> Deflection:
    """By how much rays at (x, y) are bent, arcsec."""
    main = _ready(scene.main)
    dx, dy = x - main["lens_x"], y - main["lens_y"]
    bends = [_halo(scene, main, dx, dy), deflectors.shear(x, y, main["shear1"], main["shear2"])]
    if "sheet" in main:
        bends.append(deflectors.sheet(dx, dy, main["sheet"]))
    for order in (3, 4):
        if f"multipole{order}" in main:
            amplitude = main[f"multipole{order}"] * main["einstein_radius"]
            bends.append(deflectors.multipole(dx, dy, order, amplitude, main[f"multipole{order}_angle"]))
    if scene.line:
        line = _ready(scene.line)
        bends.append(deflectors.line_mass(dx, dy, line["einstein_radius"], line["half_length"], line["angle"]))
    bends += [_population(name, getattr(scene, name), dx, dy) for name in POPULATIONS if getattr(scene, name)]
    return sum((bend[0] for bend in bends[1:]), bends[0][0]), sum((bend[1] for bend in bends[1:]), bends[0][1])


def _halo(scene: Scene, main: Mapping[str, Tensor], dx: Tensor, dy: Tensor) -> Deflection:
    u, v = deflectors.rotated(dx, dy, main["angle"])
    if scene.isothermal:
        bend = deflectors.sie(u, v, main["einstein_radius"], main["axis_ratio"])
    else:
        bend = deflectors.epl(u, v, main["einstein_radius"], main["axis_ratio"], main["slope"], scene.terms)
    return deflectors.rotated(*bend, -main["angle"])


def _shine(galaxies: tuple[Mapping[str, PerLens], ...], x: Tensor, y: Tensor) -> Tensor:
    seen = torch.zeros_like(x)
    for galaxy in galaxies:
        one = _ready(galaxy)
        seen = seen + light.sersic(
            x - one["x"],
            y - one["y"],
            one["flux"],
            one["radius"],
            one["axis_ratio"],
            one["angle"],
            one["index"],
        )
    return seen


POPULATIONS = {
    "points": lambda x, y, p: deflectors.point_mass(x, y, p["einstein_radius"]),
    "spheres": lambda x, y, p: deflectors.sis(x, y, p["einstein_radius"]),
    "halos": lambda x, y, p: deflectors.tnfw(x, y, p["scale_convergence"], p["scale_radius"], p["truncation"]),
}


def _population(kind: str, members: Mapping[str, Many], dx: Tensor, dy: Tensor) -> Deflection:
    """The sum over subhalos, so many at a time that memory stays bounded."""
    number = members["x"].shape[1]
    step = max(1, AT_ONCE // dx.numel())
    bend_x, bend_y = torch.zeros_like(dx), torch.zeros_like(dy)
    for first in range(0, number, step):
        some = {name: values[:, first : first + step, None, None] for name, values in members.items()}
        ax, ay = POPULATIONS[kind](dx[:, None] - some["x"], dy[:, None] - some["y"], some)
        bend_x, bend_y = bend_x + ax.sum(1), bend_y + ay.sum(1)
    return bend_x, bend_y


def _ready(parameters: Mapping[str, PerLens]) -> dict[str, Tensor]:
    """Shapes that broadcast against a grid."""
    return {name: values[:, None, None] for name, values in parameters.items()}
