"""The commands of `drnet`, one file each, and the options that several share."""
