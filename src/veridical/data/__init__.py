"""Data sets, from a name, a folder or a file to batches on the device.

`sources.load` finds and reads, `dataset.ArrayData` holds, `loader.Loader` orders, `check.check` finds problems before
anything trains. Imports nothing heavy; import the module you need.
"""
