"""Networks shared by families: fully connected, convolutional, DCGAN."""
