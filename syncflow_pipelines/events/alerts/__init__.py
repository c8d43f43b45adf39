"""What is wrong, and telling people of it: once, again after a while, and when it is over."""
