"""The judge: pure, synchronous, on the host. What a test expects never leaves it."""

from executor_api.judge.plan import Plan, PlanError, overall, plan

__all__ = ["Plan", "PlanError", "overall", "plan"]
