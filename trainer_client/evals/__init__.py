"""Benchmarks on the executor: ``coderl eval``, for a model or for somebody's completions.

``cases`` says what is asked and how an answer is read, ``grading`` runs what has to be run,
``results`` counts; the other modules are the benchmarks themselves and how results are shown.
"""
