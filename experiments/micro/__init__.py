"""The micro model: what alignment adds to plain reinforcement learning at equal compute.

    python -m experiments.micro --seeds 1 2 3 4 5              # every arm; hours on two cores
    python -m experiments.micro --seeds 1 --arms grpo default  # a part
    python -m experiments.micro.analyse                        # tables and plots

Simplifications: one model size, one family of problems, one learning rate for all arms, chosen on
the development split so that either objective can learn; what is compared is the objective.
"""
