"""The choices and recipes of each family, one file each, and the table of families."""
