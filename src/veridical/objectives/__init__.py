"""Training objectives: adversarial losses, penalties, bounds. Pure functions, each with its equation and source."""
