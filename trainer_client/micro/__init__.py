"""A language model of one million parameters and a family of string problems it can learn on a CPU.

Everything is real and small: a Hugging Face Llama, its own byte-level tokenizer, generated
problems with tests, and the alignment question in a form short enough for the model.
"""
