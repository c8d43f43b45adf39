"""From a page's rows to CSV lines, or to rejects."""
