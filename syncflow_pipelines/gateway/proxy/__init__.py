"""The data plane: requests and WebSockets on their way to an endpoint and back."""
