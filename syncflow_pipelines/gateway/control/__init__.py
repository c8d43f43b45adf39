"""The control plane: what people and programs ask the gateway about itself, and tell it to do."""
