"""Where bytes come from: files on this machine."""
