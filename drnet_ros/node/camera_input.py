"""What comes in from one camera: images and their CameraInfo."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from drnet_ros.errors import CameraError, SettingsError
from drnet_ros.inference import CameraModel
from drnet_ros.inference.image_codec import decode_compressed_image, decode_image
from drnet_ros.node.messages import camera_model_fields
from drnet_ros.node.subscriptions import MatchingSubscription

if TYPE_CHECKING:
    from rclpy.node import Node

    from drnet_ros.inference import Settings
    from drnet_ros.inference.engine import UInt8Array

__all__ = ['CameraInput', 'InputMessage', 'IntrinsicsCache', 'decode']

InputMessage: TypeAlias = Image | CompressedImage

# Drivers publish an image and its CameraInfo one after the other, in either order.
_COMPANION_WAIT_S = 0.2
# While one camera's image waits for it, no other camera's is worked on.
_WAITING_SHARE = 0.01


def decode(message: InputMessage) -> UInt8Array:
    """Decode an image message.

    Args:
        message: The message; for rgb8 the result shares its memory.

    Returns:
        Image, uint8 (H, W, 3), RGB.

    Raises:
        ImageError: If the message is not a usable image.
    """
    if isinstance(message, CompressedImage):
        return decode_compressed_image(message.data)
    return decode_image(
        encoding=message.encoding,
        height=message.height,
        width=message.width,
        step=message.step,
        is_bigendian=message.is_bigendian,
        data=message.data,
    )


class _Patience:
    """How long a camera may keep the worker, and so all cameras, waiting for its CameraInfo.

    `_COMPANION_WAIT_S` at first, and `_WAITING_SHARE` of the time in the long run, however often
    the size of its images changes.
    """

    def __init__(self) -> None:
        self._used_s = 0.0
        self._seen_s = time.monotonic()

    def left_s(self) -> float:
        now_s = time.monotonic()
        self._used_s = max(0.0, self._used_s - _WAITING_SHARE * (now_s - self._seen_s))
        self._seen_s = now_s
        left_s = _COMPANION_WAIT_S - self._used_s
        # Less is too short for a CameraInfo to come: rather none now, and a whole wait later.
        return left_s if left_s >= _COMPANION_WAIT_S / 2 else 0.0

    def use(self, waited_s: float) -> None:
        self._used_s += waited_s


class IntrinsicsCache:
    """The newest CameraInfo of a camera and the model made from it.

    Attributes:
        problem: Why there is no usable model, '' if there is one.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self.problem = 'no camera_info'
        self._arrived = threading.Condition()
        self._info: CameraInfo | None = None
        self._seen: tuple[dict[str, Any], CameraModel] | None = None
        self._waited_for: tuple[int, int] | None = None
        self._patience = _Patience()
        self._is_closed = False

    def store(self, info: CameraInfo) -> None:
        """Take a received CameraInfo for the newest."""
        with self._arrived:
            self._info = info
            self._arrived.notify_all()

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._arrived:
            self._is_closed = True
            self._arrived.notify_all()

    def find(
        self, image_hw: tuple[int, int], *, is_announced: bool, is_rectified: bool = False
    ) -> tuple[CameraInfo, CameraModel] | None:
        """Return the CameraInfo for an image and its model at the image's size.

        If the newest one does not fit, but more may come, it waits a moment for one that does:
        once for each new image size, so that the first image after a change gets its cloud too;
        but not where sizes change all the time and none comes.

        Args:
            image_hw: Height and width of the image.
            is_announced: Whether the topic has a publisher.
            is_rectified: Whether the image is rectified, so that P must be usable too.

        Returns:
            The message and the model, or None if there are none that fit; `problem` then says why.
        """
        found = self._fitting(image_hw, is_rectified=is_rectified)
        if found is not None or not is_announced or self._waited_for == image_hw:
            return found
        wait_s = self._patience.left_s()
        if not wait_s:
            return None
        self._waited_for = image_hw
        begun_s = time.monotonic()
        with self._arrived:
            # One that came after the look above has notified nobody who waits here.
            found = self._fitting(image_hw, is_rectified=is_rectified)
            while (
                found is None
                and not self._is_closed
                and self._arrived.wait(max(0.0, begun_s + wait_s - time.monotonic()))
            ):
                found = self._fitting(image_hw, is_rectified=is_rectified)
        self._patience.use(time.monotonic() - begun_s)
        return found

    def _fitting(
        self, image_hw: tuple[int, int], *, is_rectified: bool
    ) -> tuple[CameraInfo, CameraModel] | None:
        info = self._info
        if info is None:
            self.problem = 'no camera_info'
            return None
        try:
            camera = self._model(info).matching(*image_hw)
            if is_rectified:
                _check_projection(camera)
        except CameraError as error:
            self.problem = f'camera_info is not usable: {error}'
            return None
        self.problem = ''
        return info, camera

    def _model(self, info: CameraInfo) -> CameraModel:
        fields: dict[str, Any] = camera_model_fields(info)
        if self._seen is None or self._seen[0] != fields:
            self._seen = (fields, CameraModel.from_fields(**fields))
        return self._seen[1]


class CameraInput:
    """The subscriptions of one camera. Callbacks hand over and return.

    Attributes:
        intrinsics: What is known of the camera.
        images: The image subscription.
        infos: The CameraInfo subscription.
    """

    def __init__(
        self,
        node: Node,
        prefix: str,
        settings: Settings,
        on_image: Callable[[InputMessage], None],
        on_lost: Callable[[int], None],
    ) -> None:
        """Subscribe.

        Args:
            node: The node that subscribes.
            prefix: What topic names start with: '' or such as 'front/'.
            settings: `image_transport` and `input_reliability` are read.
            on_image: Called with each image message in the executor's thread.
            on_lost: Called there with the number of images found lost.

        Raises:
            SettingsError: If a QoS override is not allowed.
        """
        self.intrinsics = IntrinsicsCache()
        is_compressed = settings.image_transport == 'compressed'
        self.images = MatchingSubscription(
            node,
            CompressedImage if is_compressed else Image,
            _compressed_topic(node, f'{prefix}image') if is_compressed else f'{prefix}image',
            on_image,
            reliability=settings.input_reliability,
            on_lost=on_lost,
        )
        try:
            self.infos = MatchingSubscription(
                node, CameraInfo, f'{prefix}camera_info', self.intrinsics.store, takes_latched=True
            )
        except SettingsError:
            self.images.close()
            raise

    def find_intrinsics(
        self, image_hw: tuple[int, int], *, is_rectified: bool
    ) -> tuple[CameraInfo, CameraModel] | None:
        """Return the CameraInfo for an image and its model; see `IntrinsicsCache.find`."""
        return self.intrinsics.find(
            image_hw, is_announced=self.infos.publisher_count > 0, is_rectified=is_rectified
        )

    def refresh(self) -> None:
        """Choose QoS anew if publishers changed."""
        self.images.refresh()
        self.infos.refresh()

    def close(self) -> None:
        """Unsubscribe."""
        self.intrinsics.close()
        self.images.close()
        self.infos.close()


def _check_projection(camera: CameraModel) -> None:
    """Refuse a camera whose P cannot be that of rectified images."""
    try:
        camera.rectified()
    except CameraError as error:
        msg = f'P must hold the intrinsics of rectified images: {error}'
        raise CameraError(msg) from error


def _compressed_topic(node: Node, image: str) -> str:
    """Return image/compressed, below wherever `image` was remapped to unless remapped itself."""
    own = f'{image}/compressed'
    if node.resolve_topic_name(own) != node.resolve_topic_name(own, only_expand=True):
        return own
    return f'{node.resolve_topic_name(image)}/compressed'
