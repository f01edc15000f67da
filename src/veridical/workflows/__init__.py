"""The functions behind the commands, one module per task."""
