"""The alignment task: predict what one's own failed program computed.

CodeRL+ (arXiv 2510.18471) trains on it beside code generation. An execution is condensed to the
value of each variable at its last definition, f_p(x) = {(var_i, v_i)}; the reward of an answer is
the share of variables it gets right.
"""
