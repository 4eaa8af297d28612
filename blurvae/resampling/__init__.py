"""Images made smaller, larger and moved: MATLAB's bicubic, blur and decimation, warps, all on a grid that is said.

Every resampler knows its phase: sample i of a small image lies at pixel scale·i + phase of the large one. MATLAB, and
whoever centres a small pixel on the block that it stands for, has phase (scale − 1)/2; "every fourth pixel" has 0.
Mixing the two moves an image by a pixel and a half, and costs a comparison several decibels.
"""

from blurvae.resampling.bicubic import imresize
from blurvae.resampling.blocks import depth_to_space, space_to_depth
from blurvae.resampling.decimation import blur_and_decimate, gaussian
from blurvae.resampling.jpeg import jpeg
from blurvae.resampling.padding import symmetric_padding
from blurvae.resampling.translation import translation
from blurvae.resampling.upsampling import centre_phase, upsample
from blurvae.resampling.warp import warp
from blurvae.resampling.windows import corners, window

__all__ = [
    "blur_and_decimate",
    "centre_phase",
    "corners",
    "depth_to_space",
    "gaussian",
    "imresize",
    "jpeg",
    "space_to_depth",
    "symmetric_padding",
    "translation",
    "upsample",
    "warp",
    "window",
]
