"""The admin API `/api/v1`, beside the gateway in one application; metrics and alerts."""
