"""Tests over real specs, which are read where they are and never copied here."""
