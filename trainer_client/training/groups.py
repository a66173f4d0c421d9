"""How many groups of rollouts of each task a process's generation batch holds."""

from math import gcd

from trl import GRPOConfig  # type: ignore[attr-defined]

from trainer_client.config import AlignmentConfig, ConfigError

__all__ = ["alignment_groups", "code_groups", "unit"]


def code_groups(arguments: GRPOConfig, processes: int) -> int:
    """Groups in a generation batch of one process, before any of alignment.

    Raises ``ConfigError`` where the batch is not of whole groups.
    """
    size = arguments.num_generations or 1
    local = (arguments.generation_batch_size or 0) // processes
    if local == 0 or local % size:
        raise ConfigError(
            f"a process's generation batch ({local} rollouts) has to hold whole groups of {size}; "
            "change grpo.per_device_train_batch_size"
        )
    return local // size


def alignment_groups(arguments: GRPOConfig, config: AlignmentConfig, processes: int) -> int:
    """Alignment groups in a full generation batch of one process.

    Raises ``ConfigError`` as ``code_groups`` does, and where ``groups`` does not fit.
    """
    size, code = arguments.num_generations or 1, code_groups(arguments, processes)
    wanted = config.groups or _by_ratio(code, config)
    if config.mode == "replace":
        if config.groups and wanted > code:
            raise ConfigError(
                f"alignment.groups is {wanted}, but in mode 'replace' there are only {code} groups "
                "to replace; lower it, or use mode 'append'"
            )
        return min(wanted, code)
    multiple = unit(arguments, config)
    whole = wanted // multiple * multiple
    if whole == 0 or (config.groups and whole != wanted):
        raise ConfigError(
            f"alignment.groups is {wanted}: with {size} rollouts a group it has to be a positive "
            f"multiple of {multiple}, so that the batch splits evenly into "
            f"{arguments.steps_per_generation} steps; set alignment.groups"
        )
    return whole


def unit(arguments: GRPOConfig, config: AlignmentConfig) -> int:
    """Appended groups come in multiples of this: TRL cuts the batch into equal slices and would
    silently drop a remainder."""
    if config.mode == "replace":
        return 1
    steps = arguments.steps_per_generation or 1
    return steps // gcd(steps, arguments.num_generations or 1)


def _by_ratio(code_groups: int, config: AlignmentConfig) -> int:
    """Groups for which alignment is ``ratio`` of the whole batch, at least one."""
    if config.mode == "replace":
        return max(1, round(config.ratio * code_groups))
    return max(1, round(config.ratio / (1 - config.ratio) * code_groups))
