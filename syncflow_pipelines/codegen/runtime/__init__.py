"""What generated modules stand on when they run."""
