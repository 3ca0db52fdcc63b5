"""The public numpy interface: image and camera in, metric depth out."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any

from drnet_ros.closing import Closing
from drnet_ros.errors import CameraError, SettingsError
from drnet_ros.inference.camera import CameraModel, rays
from drnet_ros.inference.engines.engine import MappedPending, OwnProcess
from drnet_ros.inference.engines.factory import check_engine, create_engine
from drnet_ros.inference.frames import DepthFrame, Frame, check_frames
from drnet_ros.inference.images.rectification import forget_rectifications, rectified
from drnet_ros.inference.postprocess.depth_range import limit_frame, widest
from drnet_ros.inference.postprocess.mask import Masks
from drnet_ros.inference.postprocess.outliers import drop_outliers
from drnet_ros.inference.postprocess.processor import add_voxels
from drnet_ros.inference.preprocess import nominal_input_hw
from drnet_ros.inference.settings import PARAMETERS, Settings
from drnet_ros.inference.settings.given import as_settings
from drnet_ros.inference.settings.network_choice import check_network
from drnet_ros.inference.sparse_depth.metric_scale import (
    MetricScale,
    engine_frames,
    engine_settings,
    is_scaled,
)
from drnet_ros.inference.sparse_depth.scale_model import stored_scale_model
from drnet_ros.inference.temporal_filter import ScaleFilter
from drnet_ros.network.metadata import read_metadata
from drnet_ros.weights import resolve_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from drnet_ros.inference.arrays import UInt8Array
    from drnet_ros.inference.engines.engine import Engine, Pending
    from drnet_ros.inference.sparse_depth.points import SparseDepth

__all__ = ['DepthEstimator']


class DepthEstimator(Closing):
    """Estimates metric depth from single images.

    Example:
        with DepthEstimator() as estimator:
            depth_hw = estimator.estimate(rgb_hwc, camera).depth_hw

    Attributes:
        settings: The settings in force; change live ones with `update`.
        metadata: What the weights file says about itself.
    """

    def __init__(
        self,
        settings: Settings | str | PathLike[str] | None = None,
        *,
        engine: Engine | None = None,
    ) -> None:
        """Load metadata and create the engine; the network is made ready for the training size.

        Args:
            settings: The settings; the path of a weights file; or None for the defaults.
            engine: What runs the network, closed with the estimator; None for the one that the
                settings ask for.

        Raises:
            SettingsError: If the settings are none, or a mask cannot be read.
            WeightsError: If the weights are missing, unreadable, or of another network than the
                settings ask for.
            EngineError: If the engine is none, or cannot run as configured.
        """
        self.settings = as_settings(settings)
        check_engine(engine)
        self._weights_path = resolve_weights(self.settings.weights)
        self.metadata = read_metadata(self._weights_path)
        self._masks = Masks(self.settings)
        check_network(self.settings, self.metadata)
        self._process = OwnProcess()
        self._engine = engine or create_engine(self.settings, self._weights_path, self.metadata)
        self._scale_filter = ScaleFilter()
        self._metric_scale = MetricScale(stored_scale_model(self.metadata, self._weights_path))
        self.prepare(*nominal_input_hw(self.settings, self.metadata))

    def prepare(self, height: int, width: int) -> None:
        """Get ready for images of a size, so that the first one does not wait for it.

        Args:
            height: Rows of the images to come.
            width: Columns of the images to come.

        Raises:
            EngineError: If the network cannot be made ready.
            ImageError: kind 'bad_shape', as `limits.check_shape` says.
        """
        self._engine.prepare((height, width), self.settings)

    def prepare_async(self, height: int, width: int) -> Future[Any] | None:
        """Begin to get ready for images of a size, without waiting for it.

        Args:
            height: Rows of the images to come.
            width: Columns of the images to come.

        Returns:
            The preparation under way, or None if `submit` would not wait for any. If it fails,
            the next `submit` of such images says why.

        Raises:
            EngineError: If the engine is closed.
            ImageError: kind 'bad_shape', as `limits.check_shape` says.
        """
        return self._engine.prepare_async((height, width), self.settings)

    def check(self, frame: Frame) -> None:
        """Refuse a frame that the settings do not fit, so that it need not fail a whole batch.

        Args:
            frame: The frame.

        Raises:
            ImageError: kind 'mask_shape', if the mask of its camera has another aspect ratio.
        """
        if self._masks:
            self._masks.check(frame.stream, frame.rgb_hwc.shape[:2])

    def submit(self, frames: Sequence[Frame]) -> Pending:
        """Start work on a batch of frames with images of the same size.

        Args:
            frames: The frames; their images must stay unchanged until the result is there. With
                `temporal_filter` on, submit and fetch those of a stream in the order of their
                stamps.

        Returns:
            The work under way; `result()` waits for it.

        Raises:
            CameraError, SparseDepthError: If a frame's camera or sparse depth has another type.
            EngineError: If the batch cannot be run, it is not a sequence of Frame, or this is a
                process that was forked.
            ImageError: kind 'bad_shape', as `limits.check_shape` says, 'bad_type' if an image is
                not an array as described, or as `check` says.
        """
        check_frames(frames)
        self._process.check()
        for frame in frames:
            self.check(frame)
        if self.settings.rectify:
            frames = [rectified(frame) for frame in frames]
        if self.settings.max_stddev_ratio > 0:
            frames = [replace(frame, stddev=True) for frame in frames]
        final = self.settings
        if any(frame.beyond for frame in frames):  # what is far must be known until all is scaled
            final = widest(final)
        settings = engine_settings(frames, final)
        pending = self._engine.submit(engine_frames(frames), settings)
        for change in self._changes(frames, settings, final):
            pending = MappedPending(pending, frames, change)
        return pending

    def _changes(
        self, frames: Sequence[Frame], of_engine: Settings, final: Settings
    ) -> Iterator[Callable[[Frame, DepthFrame], DepthFrame]]:
        """Yield what is done with the engine's depth, in order.

        Args:
            frames: What was submitted.
            of_engine: The settings that the engine got.
            final: The settings, with the widest range if it is limited at the end.
        """
        if of_engine.outlier_radius > 0:
            network_hw = nominal_input_hw(of_engine, self.metadata)
            yield partial(drop_outliers, settings=of_engine, network_hw=network_hw)
        if self._masks or any(frame.raw_camera for frame in frames):
            yield partial(self._masks.drop, point_stride=of_engine.point_stride)
        if of_engine.temporal_filter > 0:
            yield partial(self._scale_filter.steady, settings=of_engine)
        if is_scaled(frames):
            yield partial(self._metric_scale.apply, settings=final)
        if final is not self.settings:
            yield partial(limit_frame, settings=self.settings)
        if any(frame.voxels for frame in frames):
            yield partial(add_voxels, settings=self.settings)

    def reset_scale(self, stream: str | None = None) -> None:
        """Forget what sparse depth of earlier frames said of the scale.

        Args:
            stream: Of which camera; None for all.
        """
        self._metric_scale.reset(stream)

    def estimate(
        self,
        rgb_hwc: UInt8Array,
        camera: CameraModel | None = None,
        *,
        points: bool = False,
        stamp_ns: int | None = None,
        sparse_depth: SparseDepth | None = None,
        stddev: bool = True,
    ) -> DepthFrame:
        """Estimate the depth of one image and wait for it.

        Args:
            rgb_hwc: Image, uint8 (H, W, 3), RGB.
            camera: Its camera; None if unknown, then depth is right only for a camera with the
                training camera's field of view, and there is no cloud.
            points: Whether to build the cloud.
            stamp_ns: When it was taken; needed for `temporal_filter`, and for a scale that is
                remembered from image to image.
            sparse_depth: Points of known position in the camera's optical frame, which set the
                scale; needs `camera`.
            stddev: Whether to compute the standard deviation of depth.

        Returns:
            Depth in metres at the image's size (or `output_size`), NaN where invalid, with camera,
            cloud, standard deviation and scale.

        Raises:
            EngineError: If the network fails.
            ImageError: kind 'bad_shape', as `limits.check_shape` says, or 'bad_type' if it is
                not an array as described.
            CameraError: If the camera is none, cannot be that of the image, or `points` or
                `sparse_depth` are there without one.
        """
        if camera is None and (points or sparse_depth is not None):
            wanted = 'points' if points else 'sparse_depth'
            msg = f'{wanted} must have a camera, got none: without intrinsics pixels have no rays'
            raise CameraError(msg)
        frame = Frame(rgb_hwc, camera, points, stamp_ns, sparse_depth=sparse_depth, stddev=stddev)
        return self.submit([frame]).result()[0]

    def assumed_camera(self, height: int, width: int) -> CameraModel:
        """Return the camera that an image is taken to be from where none is given.

        It has the field of view of the training camera, and no distortion.

        Args:
            height: Rows of the image.
            width: Columns of the image.
        """
        trained_area = self.metadata.input_height * self.metadata.input_width
        focal_px = self.metadata.f_training * math.sqrt(height * width / trained_area)
        return CameraModel(width, height, focal_px, focal_px, (width - 1) / 2, (height - 1) / 2)

    def update(self, settings: Settings) -> None:
        """Take over changed live settings, from the next submitted batch on.

        Args:
            settings: The new settings.

        Raises:
            SettingsError: If a setting differs that cannot change while running, or a mask cannot
                be read, or `settings` has another type.
        """
        settings = as_settings(settings)
        for spec in PARAMETERS:
            old, new = getattr(self.settings, spec.name), getattr(settings, spec.name)
            if old != new and not spec.live:
                msg = (
                    f'{spec.name} must stay {old!r} while running, got {new!r}; '
                    'create another estimator'
                )
                raise SettingsError(msg)
        self._masks = self._masks.updated(settings)
        if settings.scale_factor != self.settings.scale_factor:
            self._metric_scale.reset()
        self.settings = settings

    def describe(self) -> dict[str, str]:
        """Return what runs here, in words.

        Returns:
            Engine, device, precision, weights, backbone and network_size (height x width at the
            training aspect ratio).
        """
        height, width = self._engine.network_size(nominal_input_hw(self.settings, self.metadata))
        return {
            'engine': self._engine.name,
            'device': self._engine.device,
            'precision': self._engine.precision,
            'weights': str(self._weights_path),
            'backbone': self.metadata.network.backbone,
            'guided_filter': str(self.metadata.network.guided_filter).lower(),
            'network_size': f'{height}x{width}',
        }

    def close(self) -> None:
        """Free the engine; pending results may still be fetched, nothing more be submitted."""
        self._engine.close()
        forget_rectifications()
        rays.cache_clear()  # up to 66 MB for each 4K camera
