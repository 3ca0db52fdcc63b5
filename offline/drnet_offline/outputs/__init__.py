"""What commands leave behind: whole files, one run at a time, and word of what went wrong."""
