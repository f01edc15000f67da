"""What a command does: one module per job, each a library function over the layers below."""
