"""Sphinx configuration for rosdoc2, which adds the Python API, Markdown and the theme.

PYTHONPATH=. rosdoc2 build --package-path .
"""

project = 'drnet_ros'
author = 'drnet_ros authors'
source_suffix = {'.rst': 'restructuredtext', '.md': 'markdown'}
exclude_patterns = ['lab/*']
# Links to headings, as GitHub makes them; those to files outside docs/ work on GitHub alone.
myst_heading_anchors = 3
suppress_warnings = ['myst.xref_missing', 'misc.highlighting_failure', 'image.not_readable']
