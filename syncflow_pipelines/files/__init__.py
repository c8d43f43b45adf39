"""Files that others read and write too: replaced whole, under a lock, and watched."""
