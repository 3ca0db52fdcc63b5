"""`drnet show`: live depth of a webcam, a video or a recording on a page in the browser."""
