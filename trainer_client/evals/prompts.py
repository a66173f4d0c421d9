"""Prompts that ask for programs, in the words of the benchmarks' authors where they have any."""
