"""What pytest collects: `colcon test` has only the runtime package, and so not offline's tests."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec('drnet_offline') else ['offline/test/*']
