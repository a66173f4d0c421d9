"""The second objective of a run: what to ask, how, the questions at hand, and what came of them."""

from collections.abc import Sequence

from trainer_client.alignment.curriculum import Outcome
from trainer_client.alignment.formats import AlignmentFormat
from trainer_client.alignment.pool import AlignmentPool, load_samples
from trainer_client.alignment.sample import AlignmentSample
from trainer_client.alignment.store import SampleStore
from trainer_client.client.types import Tracer
from trainer_client.config import AlignmentConfig, ConfigError

__all__ = ["Alignment", "prebuilt_samples"]


class Alignment:
    """Args: ``store`` keeps every question asked; None keeps none."""

    def __init__(
        self,
        config: AlignmentConfig,
        format: AlignmentFormat,
        tracer: Tracer,
        seed: int,
        store: SampleStore | None = None,
    ) -> None:
        self.config = config
        self.format = format
        self.tracer = tracer
        self.store = store
        self.pool = AlignmentPool(config.pool_size, seed, config.choose)
        self.pool.replace(prebuilt_samples(config))

    @property
    def on_policy(self) -> bool:
        """Whether the questions are about the policy's own programs."""
        return self.config.prebuilt is None

    @property
    def same_step(self) -> bool:
        """Whether a step asks about its own failures."""
        return self.config.mode == "same_step"

    def share(self, progress: float) -> float:
        """Of the planned alignment groups, those to ask now. ``progress``: 0 at the run's start, 1
        at its end."""
        return 1.0 if self.config.schedule == "constant" else max(0.0, 1.0 - progress)

    def record(self, outcomes: Sequence[Outcome], step: int, write: bool) -> None:
        """Take in what the answers of all processes earned; ``write``: on one process."""
        self.pool.observe(outcomes)
        if write and self.store is not None:
            self.store.append(step, outcomes)


def prebuilt_samples(config: AlignmentConfig) -> list[AlignmentSample]:
    """Those that the recipe names, none where it names none. Raises ``ConfigError``."""
    if config.prebuilt is None:
        return []
    try:
        found = load_samples(config.prebuilt)
    except ValueError as error:
        raise ConfigError(f"alignment.prebuilt: {error}") from None
    if not found:
        raise ConfigError(f"alignment.prebuilt is {str(config.prebuilt)!r}: it is empty")
    return found
