"""From a preset and a data set to a weights file."""
