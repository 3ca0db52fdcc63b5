"""Odometry from images with depth, by OpenCV: each tracker turns frames into poses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from drnet_ros.inference.arrays import FloatArray, UInt8Array

__all__ = ['METHODS', 'Tracker', 'create_tracker']

Matrix: TypeAlias = NDArray[np.float64]

METHODS = {
    'features': 'corners with depth from a keyframe, followed, pose by PnP and RANSAC',
    'photometric': 'cv2.Odometry RGB: images aligned, depth of the frame before',
    'dense': 'cv2.Odometry RGB_DEPTH: images and surfaces aligned, depth of both frames',
}
"""Names of the trackers, and what they do."""

_MAX_DEPTH_M = 10.0


class Tracker(ABC):
    """Follows the camera.

    Attributes:
        lost: In how many frames it could not tell the motion; the camera is taken to stand still.
    """

    def __init__(self) -> None:
        self.lost = 0

    @abstractmethod
    def add(self, gray_hw: UInt8Array, depth_hw: FloatArray) -> Matrix:
        """Take the next frame.

        Args:
            gray_hw: Image without distortion, uint8.
            depth_hw: Its depth in metres, NaN where invalid.

        Returns:
            Pose of the camera in its first frame, float64 (4, 4).
        """


def create_tracker(method: str, k: Matrix) -> Tracker:
    """Create a tracker.

    Args:
        method: One of `METHODS`.
        k: Intrinsic matrix of the undistorted images, 3 x 3.
    """
    if method == 'features':
        return _FeatureTracker(k)
    return _DenseTracker(k, is_photometric=method == 'photometric')


class _DenseTracker(Tracker):
    """cv2.Odometry from each frame to the next, with its own settings."""

    def __init__(self, k: Matrix, *, is_photometric: bool) -> None:
        super().__init__()
        settings = cv2.OdometrySettings()
        settings.setCameraMatrix(k.astype(np.float32))
        settings.setMaxDepth(_MAX_DEPTH_M)
        kind = cv2.ODOMETRY_TYPE_RGB if is_photometric else cv2.ODOMETRY_TYPE_RGB_DEPTH
        self._odometry = cv2.Odometry(kind, settings, cv2.ODOMETRY_ALGO_TYPE_COMMON)
        self._before: Any = None
        self._pose = np.eye(4)

    def add(self, gray_hw: UInt8Array, depth_hw: FloatArray) -> Matrix:
        now = cv2.OdometryFrame(depth_hw, gray_hw)
        before, self._before = self._before, now
        if before is not None:
            self._pose = self._pose @ self._motion(before, now)
        return self._pose

    def _motion(self, before: Any, now: Any) -> Matrix:
        """Return the pose of the camera now in its frame before."""
        try:
            self._odometry.prepareFrames(before, now)
            is_found, transform = self._odometry.compute(before, now)
        except cv2.error:  # too little to align, as where all depth is invalid
            is_found, transform = False, None
        if not is_found or transform is None or not np.isfinite(transform).all():
            self.lost += 1
            return np.eye(4)
        inverse: Matrix = np.linalg.inv(np.asarray(transform, np.float64))
        return inverse


@dataclass(slots=True)
class _Keyframe:
    """Corners of a frame with their places in space; those that are still followed.

    Attributes:
        pose: Pose of its camera.
        points: (N, 3) in its camera, metres.
        pixels: (N, 2) where they were seen last.
        count: How many there were at first.
        is_new: Whether no frame has been tracked from it yet.
    """

    pose: Matrix
    points: Matrix
    pixels: NDArray[np.float32]
    count: int
    is_new: bool = True


class _FeatureTracker(Tracker):
    """Frame to keyframe, as feature-based RGB-D odometry such as rtabmap's does it.

    Depth is used at the corners of keyframes only. A new keyframe is taken when 30 % of the
    corners are gone, and where tracking from the old one fails.
    """

    _MOST_CORNERS = 800
    _LEAST_POINTS = 8
    _KEPT_SHARE = 0.7
    _MAX_JUMP = 0.05  # relative depth range around a corner; more is the edge of a thing
    _MAX_REPROJECTION_PX = 1.0
    _MAX_RETURN_PX = 1.0

    def __init__(self, k: Matrix) -> None:
        super().__init__()
        self._k = k
        self._keyframe: _Keyframe | None = None
        self._gray: UInt8Array | None = None
        self._depth: FloatArray | None = None
        self._pose = np.eye(4)

    def add(self, gray_hw: UInt8Array, depth_hw: FloatArray) -> Matrix:
        gray, depth, last_pose = self._gray, self._depth, self._pose
        self._gray, self._depth = gray_hw, depth_hw
        keyframe = self._keyframe
        if gray is None or depth is None or keyframe is None:
            self._keyframe = self._take(gray_hw, depth_hw, self._pose)
            return self._pose
        pose = self._locate(keyframe, gray, gray_hw)
        if pose is None and not keyframe.is_new:
            keyframe = self._keyframe = self._take(gray, depth, last_pose)
            pose = self._locate(keyframe, gray, gray_hw)
        if pose is None:
            self.lost += 1
            pose = last_pose
            keyframe.count = 0
        self._pose = pose
        if len(keyframe.pixels) < max(self._KEPT_SHARE * keyframe.count, 1) or not keyframe.count:
            self._keyframe = self._take(gray_hw, depth_hw, pose)
        return pose

    def _take(self, gray_hw: UInt8Array, depth_hw: FloatArray, pose: Matrix) -> _Keyframe:
        corners: Any = cv2.goodFeaturesToTrack(gray_hw, self._MOST_CORNERS, 0.005, 8)
        pixels = np.zeros((0, 2), np.float32) if corners is None else corners[:, 0]
        height, width = depth_hw.shape
        columns = pixels[:, 0].round().astype(int).clip(2, width - 3)
        rows = pixels[:, 1].round().astype(int).clip(2, height - 3)
        around = np.stack(
            [depth_hw[rows + y, columns + x] for y in (-2, 0, 2) for x in (-2, 0, 2)]
        )
        z = depth_hw[rows, columns].astype(np.float64)
        # NaN, an invalid pixel in the neighbourhood, fails the comparison.
        is_good = (around.max(axis=0) - around.min(axis=0) < self._MAX_JUMP * z) & (z > 0)
        pixels, z = pixels[is_good], z[is_good]
        x = (pixels[:, 0] - self._k[0, 2]) / self._k[0, 0] * z
        y = (pixels[:, 1] - self._k[1, 2]) / self._k[1, 1] * z
        return _Keyframe(pose, np.stack([x, y, z], axis=1), pixels, len(pixels))

    def _locate(self, keyframe: _Keyframe, before: UInt8Array, now: UInt8Array) -> Matrix | None:
        """Follow the keyframe's corners into an image and return its camera's pose."""
        if len(keyframe.pixels) < self._LEAST_POINTS:
            return None
        found, pixels = self._follow(keyframe.pixels, before, now)
        points, pixels = keyframe.points[found], pixels[found]
        if len(points) < self._LEAST_POINTS:
            return None
        # RANSAC draws from OpenCV's generator: the same frames give the same pose.
        cv2.setRNGSeed(0)
        seen = pixels.astype(np.float64)
        inliers: Any
        is_found, turn, shift, inliers = cv2.solvePnPRansac(
            points,
            seen,
            self._k,
            None,
            iterationsCount=500,
            reprojectionError=self._MAX_REPROJECTION_PX,
            confidence=0.9999,
            flags=cv2.SOLVEPNP_AP3P,
        )
        if not is_found or inliers is None or len(inliers) < self._LEAST_POINTS:
            return None
        kept = inliers[:, 0]
        turn, shift = cv2.solvePnPRefineLM(points[kept], seen[kept], self._k, None, turn, shift)
        keyframe.points, keyframe.pixels = points[kept], pixels[kept]
        keyframe.is_new = False
        transform = np.eye(4)
        transform[:3, :3] = cv2.Rodrigues(turn)[0]
        transform[:3, 3] = shift.ravel()
        pose: Matrix = keyframe.pose @ np.linalg.inv(transform)
        return pose

    def _follow(
        self, pixels: NDArray[np.float32], before: UInt8Array, now: UInt8Array
    ) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        window: Any = {'winSize': (21, 21), 'maxLevel': 4}
        there, forth, _ = cv2.calcOpticalFlowPyrLK(before, now, pixels, pixels.copy(), **window)
        back, home, _ = cv2.calcOpticalFlowPyrLK(now, before, there, there.copy(), **window)
        distance = np.linalg.norm(np.asarray(back) - pixels, axis=1)
        found = (forth[:, 0] > 0) & (home[:, 0] > 0) & (distance < self._MAX_RETURN_PX)
        return found, np.asarray(there, np.float32)
