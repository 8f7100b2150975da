"""Inputs: files, folders and archives, cut into batches of whole records."""
