"""DeepLense's Model I: our legacy preset against a loop that goes about it as the public generator does.

    OMP_NUM_THREADS=1 python -m benchmarks.deeplense

For every image the generator makes a whole realisation of cold dark matter with pyHalo, of which it uses the cosmology
alone, then finds Einstein radii with astropy and builds lenstronomy's models anew. pyHalo is not among our
dependencies: `pip install --no-deps pyHalo==1.2.2 colossus mcfit mpmath` for this, or the loop is timed without it.
"""

import math

import numpy as np
import torch
from astropy import constants, units
from astropy.cosmology import FlatLambdaCDM
from lenstronomy.Data.imaging_data import ImageData
from lenstronomy.Data.psf import PSF
from lenstronomy.ImSim.image_model import ImageModel
from lenstronomy.LensModel.lens_model import LensModel
from lenstronomy.LightModel.light_model import LightModel

from benchmarks.turns import compare
from pipeline import params
from pipeline.lensing import presets
from pipeline.sources import simulation

try:
    from pyHalo.PresetModels.cdm import CDM
except ImportError:
    CDM = None

IMAGES, SIZE, SCALE = 12, 150, 0.05
RANDOM = np.random.default_rng(0)


def radius(mass: float) -> float:
    """Einstein radius [arcsec] by luminosity distances, of a cosmology that is made for this one call."""
    cosmology = FlatLambdaCDM(H0=70, Om0=0.3, Ob0=0.05)
    lens, source = (cosmology.luminosity_distance(z) for z in (0.5, 1.0))
    square = 4 * constants.G * mass * constants.M_sun / constants.c**2 * (source - lens) / (lens * source)
    return math.sqrt(square.to_value(units.dimensionless_unscaled)) * 206265


def one_of_theirs() -> np.ndarray:
    """A lens with a vortex of a hundred points, noise and all."""
    if CDM:
        CDM(0.5, 1.0, cone_opening_angle_arcsec=10)
    half, angle = 0.03 * 1e-22 / 10 ** RANDOM.uniform(-24, -22), RANDOM.uniform(0, 2 * math.pi)
    each, along = radius(3e10 / 100), np.linspace(-half, half, 100)
    lens = [{"theta_E": radius(1e12), "e1": 0.1, "e2": 0, "center_x": 0, "center_y": 0}, {"gamma1": 0.05, "gamma2": 0}]
    lens += [
        {"theta_E": each, "center_x": x * math.cos(angle), "center_y": x * math.sin(angle)} for x in along.tolist()
    ]
    x, y = RANDOM.uniform(-0.35, 0.35, 2)
    source = {"amp": 20, "R_sersic": 0.25, "n_sersic": 1, "e1": -0.1, "e2": 0.1, "center_x": x, "center_y": y}
    first, exposure = -(SIZE - 1) / 2 * SCALE, 10 ** RANDOM.uniform(3, 3.5)
    data = ImageData(np.zeros((SIZE, SIZE)), ra_at_xy_0=first, dec_at_xy_0=first, transform_pix2angle=np.eye(2) * SCALE)
    model = ImageModel(
        data,
        PSF(psf_type="GAUSSIAN", fwhm=0.087, pixel_size=SCALE, truncation=3),
        lens_model_class=LensModel(["SIE", "SHEAR", *["POINT_MASS"] * 100]),
        source_model_class=LightModel(["SERSIC_ELLIPSE"]),
    )
    image = model.image(lens, [source])
    noise = RANDOM.normal(size=image.shape) * np.sqrt(np.abs(image) / exposure) + RANDOM.normal(0, 0.01, image.shape)
    return RANDOM.poisson((exposure * (image + noise)).clip(0))


def main() -> None:
    torch.set_num_threads(1)
    asked = params.read(["simulation.preset=deeplense_1", "simulation.variant=legacy"], "simulation")
    chosen, vortices = presets.applied(asked), np.arange(2, 3 * IMAGES, 3)
    simulation.read(chosen, vortices)
    print(f"{IMAGES} images of Model I with a vortex; the generator's loop, ours; one thread each")
    what, bar = ("with pyHalo's realisation", 150) if CDM else ("without pyHalo (not installed)", 10)
    compare(what, lambda: [one_of_theirs() for _ in range(IMAGES)], lambda: simulation.read(chosen, vortices), bar)


if __name__ == "__main__":
    main()
