"""Modules are looked at before they are written, in processes of their own."""
