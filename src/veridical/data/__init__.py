"""Data sets, from a name, a folder or a file to batches on the device.

`sources.load` finds and reads data, `dataset.ArrayData` stores them, `loader.Loader` makes batches, and `check.check`
finds problems before training. Imports nothing heavy; import the module you need.
"""
