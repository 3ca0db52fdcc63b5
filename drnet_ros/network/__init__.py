"""The network: DRNet, its backbones, the guided filter and the weights files. No ROS here."""
