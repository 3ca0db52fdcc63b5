"""The estimator of `drnet show`, with what the page can change: settings and known distances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from drnet_offline.errors import OfflineError
from drnet_offline.show.source import SourceImage
from drnet_ros.closing import Closing
from drnet_ros.inference import (
    CameraModel,
    DepthEstimator,
    DepthFrame,
    Frame,
    Settings,
    SparseDepth,
)
from drnet_ros.inference.camera import rays

__all__ = ['CHANGEABLE', 'CameraOf', 'Known', 'Session']

CameraOf = Callable[[int, int], CameraModel]
"""Gives the camera of images of a height and width."""

CHANGEABLE = ('min_depth', 'max_depth', 'edge_threshold', 'temporal_filter')
"""The settings that the page can change."""

_MOST_SIDE = 640  # of depth: what a page shows and a browser takes at full rate
_KNOWN_STDDEV = 0.02  # a person with a tape measure, pointing at a pixel
_NO_POINTS = np.empty((0, 3))


@dataclass(frozen=True, slots=True)
class Known:
    """A pixel whose distance somebody knows.

    Attributes:
        x: Column as a share of the image's width, 0 to 1.
        y: Row as a share of its height.
        depth_m: Depth along the optical axis, metres.
    """

    x: float
    y: float
    depth_m: float


class Session(Closing):
    """Estimates depth of one source; for one thread.

    Attributes:
        known: The known distances of one image; the images after it keep the scale.
    """

    def __init__(self, estimator: DepthEstimator, camera_of: CameraOf | None) -> None:
        """Begin with the estimator's settings and the network's own scale.

        Args:
            estimator: Estimates the depth; closed with this.
            camera_of: The camera of all images; None for that which each brings along, or the
                assumed one.
        """
        self._estimator = estimator
        self._camera_of = camera_of
        self._known_stamp_ns: int | None = None
        self.known: tuple[Known, ...] = ()

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._estimator.settings

    def describe(self) -> dict[str, str]:
        """Return what estimates, in words."""
        return self._estimator.describe()

    def close(self) -> None:
        """Free the engine."""
        self._estimator.close()

    def change(self, values: dict[str, object]) -> None:
        """Change settings.

        Args:
            values: New values by the names of `CHANGEABLE`.

        Raises:
            OfflineError: One of them is not for the page to change.
            SettingsError: A value is not allowed.
        """
        if unknown := set(values) - set(CHANGEABLE):
            msg = f'the page must change only {", ".join(CHANGEABLE)}, got {min(unknown)!r}'
            raise OfflineError(msg)
        self._estimator.update(self.settings.changed(**values))

    def add_known(self, image: SourceImage, known: Known) -> None:
        """Take the scale from a distance that somebody knows, and from others of the same image.

        Args:
            image: The image.
            known: A pixel of it, and its distance.
        """
        is_same = self._known_stamp_ns == image.stamp_ns
        self.known = (*self.known, known) if is_same else (known,)
        self._known_stamp_ns = image.stamp_ns

    def forget(self) -> None:
        """Go back to the network's own scale."""
        self.known = ()
        self._known_stamp_ns = None
        self._estimator.reset_scale()

    def has_known(self, image: SourceImage) -> bool:
        """Return whether distances are known in this very image."""
        return self._known_stamp_ns == image.stamp_ns

    def is_assumed(self, image: SourceImage) -> bool:
        """Return whether the camera of an image is unknown, and the training camera's is taken."""
        return image.camera is None and self._camera_of is None

    def estimate(self, image: SourceImage) -> DepthFrame:
        """Estimate depth, at most 640 pixels wide or high, with its standard deviation.

        Args:
            image: The image.

        Raises:
            EngineError: The network fails.
            CameraError: The camera given is not that of the image.
            ImageError: The image is too narrow.
        """
        height, width = image.rgb_hwc.shape[:2]
        if self._camera_of is not None:  # it is that of the whole file
            whole = height * image.reduction, width * image.reduction
            camera = self._camera_of(*whole).scaled_to(height, width)
        else:
            camera = image.camera or self._estimator.assumed_camera(height, width)
        output_size = _shown_size(height, width)
        if self.settings.output_size != output_size:
            self._estimator.update(self.settings.changed(output_size=output_size))
        frame = Frame(
            image.rgb_hwc,
            camera,
            stamp_ns=image.stamp_ns,
            sparse_depth=self._sparse_depth(image, camera),
            stddev=True,
        )
        return self._estimator.submit([frame]).result()[0]

    def _sparse_depth(self, image: SourceImage, camera: CameraModel) -> SparseDepth | None:
        if self._known_stamp_ns is None:
            return None
        if not self.has_known(image):
            return SparseDepth(_NO_POINTS)
        # The same points again, after a slider was moved, are no second observation.
        self._estimator.reset_scale()
        directions = rays(camera)
        points = []
        for known in self.known:
            row = min(camera.height - 1, int(known.y * camera.height))
            column = min(camera.width - 1, int(known.x * camera.width))
            x, y = directions[row, column]
            points.append([x * known.depth_m, y * known.depth_m, known.depth_m])
        return SparseDepth(np.array(points), _KNOWN_STDDEV, source='page')


def _shown_size(height: int, width: int) -> tuple[int, int]:
    longest = max(height, width)
    if longest <= _MOST_SIDE:
        return 0, 0
    return max(1, round(height * _MOST_SIDE / longest)), max(
        1, round(width * _MOST_SIDE / longest)
    )
