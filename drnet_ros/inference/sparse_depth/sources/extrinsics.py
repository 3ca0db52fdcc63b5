"""The parameter `sparse_depth_extrinsics`: how sensors are mounted, where tf does not say it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from drnet_ros.errors import SettingsError, SparseDepthError
from drnet_ros.inference.sparse_depth.sources.rigid import pose_of
from drnet_ros.inference.sparse_depth.sources.transforms import Authority, TransformBuffer

if TYPE_CHECKING:
    from drnet_ros.inference.sparse_depth.sources.rigid import Pose

__all__ = ['add_extrinsics', 'parse_extrinsics']

_WORDS = 9


def parse_extrinsics(texts: Sequence[str]) -> list[tuple[str, str, Pose]]:
    """Read the parameter.

    Args:
        texts: 'PARENT CHILD x y z qx qy qz qw' for each transform: the pose of the frame CHILD in
            the frame PARENT, in metres and as a unit quaternion. '' is none.

    Returns:
        Parent, child and pose of each.

    Raises:
        SettingsError: If one is not of that form.
    """
    return [_parse(text) for text in texts if text.strip()]


def add_extrinsics(texts: Sequence[str], transforms: TransformBuffer) -> None:
    """Put the parameter's transforms into a buffer, where they go before those of tf.

    Args:
        texts: See `parse_extrinsics`.
        transforms: The buffer.

    Raises:
        SettingsError: If one is not of that form.
    """
    for parent, child, pose in parse_extrinsics(texts):
        transforms.add(parent, child, pose, authority=Authority.PARAMETER)


def _parse(text: str) -> tuple[str, str, Pose]:
    words = text.split()
    reason = ''
    if len(words) == _WORDS and words[0] != words[1]:
        try:
            x, y, z, *rotation = map(float, words[2:])
            return words[0], words[1], pose_of((x, y, z), rotation)
        except (ValueError, SparseDepthError) as error:
            reason = f': {error}'
    msg = (
        "sparse_depth_extrinsics must be 'PARENT CHILD x y z qx qy qz qw' for each transform, "
        f'got {text!r}{reason}'
    )
    raise SettingsError(msg)
