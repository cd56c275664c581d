"""Every transform of albumentations 2.0.8: which leave the label alone, and why the others are refused.

The label is a mass, and mass is read from the angular size of the ring and from the small structure along it.
"""

from typing import NamedTuple


class Allowed(NamedTuple):
    """A geometry that keeps sizes and angles."""

    symmetry: str  # under which a vector feature must be invariant; empty: it changes nothing
    square: bool = False  # whether it needs square frames


ALLOWED = {
    "NoOp": Allowed(""),
    "HorizontalFlip": Allowed("d4"),
    "TimeReverse": Allowed("d4"),  # the same under another name
    "VerticalFlip": Allowed("d4"),
    "Transpose": Allowed("d4", square=True),
    "RandomRotate90": Allowed("d4", square=True),
    "D4": Allowed("d4", square=True),
    "SquareSymmetry": Allowed("d4", square=True),
    "Rotate": Allowed("rotation"),
}

# options of the allowed that would change the label after all
UNSAFE_OPTIONS = {"Rotate": {"crop_border": "cuts the frame down, and images of one batch must be of one size"}}

ZOOM = "changes theta_E, and with it the label; use rotate and shift"
CROP = "cuts the frame down, and what is then resized changes theta_E, and with it the label; use shift"
PAD = "changes the size of the frame, not what is seen in it; give the data set the size that it should have"
BEND = "bends the ring by more than a lens would, which changes theta_E and the shear, and with them the label"
PHOTOMETRIC = "clips float32 to [0, 1], or is made for pictures; use noise, psf or sky"
HIDE = "hides light that the label is read from (a subhalo is a few pixels of the ring); no telescope makes such holes"
MIX = "puts other images' light into this one, whose label stays; use mixup"
VOLUME = "works on volumes, and there are none"
TYPE = "changes the type or the number of channels, which the network was built for"
CODE = "takes functions, which params cannot name"

REFUSED = {
    ZOOM: "Affine LongestMaxSize RandomScale Resize SafeRotate ShiftScaleRotate SmallestMaxSize",
    CROP: (
        "AtLeastOneBBoxRandomCrop BBoxSafeRandomCrop CenterCrop Crop CropAndPad CropNonEmptyMaskIfExists RandomCrop "
        "RandomCropFromBorders RandomCropNearBBox RandomResizedCrop RandomSizedBBoxSafeCrop RandomSizedCrop"
    ),
    PAD: "Pad PadIfNeeded",
    BEND: (
        "ElasticTransform GridDistortion GridElasticDeform Morphological OpticalDistortion Perspective "
        "PiecewiseAffine RandomGridShuffle ThinPlateSpline"
    ),
    PHOTOMETRIC: (
        "AdditiveNoise AdvancedBlur AutoContrast Blur CLAHE ChannelShuffle ChromaticAberration ColorJitter Defocus "
        "Downscale Emboss Equalize FancyPCA GaussNoise GaussianBlur GlassBlur HEStain HueSaturationValue ISONoise "
        "Illumination ImageCompression InvertImg MedianBlur MotionBlur MultiplicativeNoise Normalize PlanckianJitter "
        "PlasmaBrightnessContrast PlasmaShadow Posterize RGBShift RandomBrightnessContrast RandomFog RandomGamma "
        "RandomGravel RandomRain RandomShadow RandomSnow RandomSunFlare RandomToneCurve RingingOvershoot "
        "SaltAndPepper Sharpen ShotNoise Solarize Spatter Superpixels TextImage ToSepia UnsharpMask ZoomBlur"
    ),
    HIDE: (
        "ChannelDropout CoarseDropout ConstrainedCoarseDropout Erasing FrequencyMasking GridDropout MaskDropout "
        "PixelDropout TimeMasking XYMasking"
    ),
    MIX: "FDA HistogramMatching Mosaic OverlayElements PixelDistributionAdaptation",
    VOLUME: "CenterCrop3D CoarseDropout3D CubicSymmetry Pad3D PadIfNeeded3D RandomCrop3D ToTensor3D",
    TYPE: "FromFloat ToFloat ToGray ToRGB ToTensorV2",
    CODE: "Lambda",
}

REASONS = {name: reason for reason, names in REFUSED.items() for name in names.split()}
