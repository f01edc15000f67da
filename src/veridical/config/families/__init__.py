"""Configuration and presets of each family, one file per family, and the table of families."""
