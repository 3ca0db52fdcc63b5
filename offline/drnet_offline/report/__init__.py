"""Reports on recordings: one HTML page that needs no network, and its pictures."""
