# The depth node with ROS 2, for amd64 and arm64. It computes on the CPU: PyTorch is not in it.
#
#   docker build --tag drnet_ros .
#   docker run --rm --network host --ipc host drnet_ros image:=/camera/image_raw
#
# Its arguments are those of depth.launch.py. With --ipc host images pass through shared memory.
ARG ROS=kilted
FROM ros:${ROS}-ros-base
SHELL ["/bin/bash", "-o", "pipefail", "-c"]

WORKDIR /workspace
COPY package.xml src/drnet_ros/
# ROS and Ubuntu keep only the newest version of a package, so that none can be pinned.
# hadolint ignore=DL3008
RUN apt-get update \
    && rosdep update --rosdistro "${ROS_DISTRO}" \
    && rosdep install --rosdistro "${ROS_DISTRO}" --from-paths src --ignore-src --default-yes \
    && apt-get install --yes --no-install-recommends python3-pip \
    && rm -rf /var/lib/apt/lists/*
# What rosdep has no keys for.
RUN pip install --no-cache-dir --break-system-packages \
    backports.zstd==1.8.0 openvino==2026.4.1 rosbags==0.11.9 ruamel.yaml==0.19.1 safetensors==0.8.0

COPY . src/drnet_ros
RUN . "/opt/ros/${ROS_DISTRO}/setup.bash" \
    && colcon build --packages-select drnet_ros

# The model for images of 4:3 is prepared here, so that the first start takes no longer than others.
ENV DRNET_CACHE_DIR=/workspace/cache
RUN mkdir cache \
    && chown 1000 cache \
    && . install/setup.bash \
    && su ubuntu --preserve-environment --command \
        "python3 -c 'from drnet_ros.inference import DepthEstimator; DepthEstimator().close()'"

USER 1000
ENTRYPOINT ["/bin/bash", "-c", "source /workspace/install/setup.bash && exec ros2 launch drnet_ros depth.launch.py \"$@\"", "depth.launch.py"]
