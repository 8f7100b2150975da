"""The built-in formats, one file each."""
