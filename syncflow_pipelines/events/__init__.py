"""What happens is told: events that outlive the process that they happened in, and flags that switch parts off."""
