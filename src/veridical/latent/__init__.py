"""What can be done with samples and codes of a trained model: refine them, guide them."""
