"""Build definition of drnet_ros for colcon (ament_python) and pip."""

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = 'drnet_ros'
SHARE = f'share/{PACKAGE}'
ROOT = Path(__file__).parent


def shared(folder: str, *patterns: str) -> tuple[str, list[str]]:
    """Return one data_files entry: what matches in a folder goes to the same folder in share/."""
    found = sorted(
        path.relative_to(ROOT).as_posix()
        for pattern in patterns
        for path in (ROOT / folder).glob(pattern)
    )
    return f'{SHARE}/{folder}', found


setup(
    name=PACKAGE,
    version='0.1.0',
    description='Metric depth images and point clouds from one ordinary camera',
    long_description='See README.md.',
    author='drnet_ros authors',
    maintainer='drnet_ros maintainers',
    maintainer_email='maintainers@drnet-ros.invalid',
    license='Apache-2.0',
    packages=find_packages(include=[PACKAGE, f'{PACKAGE}.*']),
    package_data={
        PACKAGE: [
            'py.typed',
            'weights/*.safetensors',
            'weights/*.xml',
            'weights/*.bin',
            'weights/README.md',
        ]
    },
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{PACKAGE}']),
        (SHARE, ['package.xml']),
        shared('launch', '*.launch.py'),
        shared('config', '*.yaml', '*.xml', '*.rviz', '*.json'),
    ],
    python_requires='>=3.10',
    install_requires=[
        'backports.zstd',
        'numpy',
        'opencv-python-headless',
        'openvino>=2026.4',  # keeps single operations in float32
        'rosbags',
        'ruamel.yaml',
        'safetensors',
    ],
    extras_require={
        # Needed to make the OpenVINO model of weights that have none, and by the torch engine.
        'torch': ['timm', 'torch', 'torchvision'],
        # The engine of that name; onnx and onnxscript, and torch, are needed once per network.
        'onnxruntime': ['onnx', 'onnxruntime', 'onnxscript'],
        # Where ROS 2 itself is not installed. 9.1 is Kilted; 7.1 (Jazzy) works as well.
        'ros': [
            'ros-rclpy[fastrtps]>=7.1,<10',
            'ros-diagnostic-msgs',
            'ros-nav-msgs',
            'ros-rcl-interfaces',
            'ros-sensor-msgs',
            'ros-std-msgs',
            'ros-std-srvs',
        ],
        'test': ['hypothesis', 'pytest', 'pytest-timeout'],
    },
    zip_safe=False,
    entry_points={
        'console_scripts': [
            'bag_publisher = drnet_ros.node.bag_publisher:main',
            'depth_node = drnet_ros.node.program:main',
        ]
    },
)
