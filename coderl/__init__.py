"""The ``coderl`` command line."""
