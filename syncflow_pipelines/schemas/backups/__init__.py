"""What modules were before they were generated anew, kept and brought back."""
