"""Policy-gradient algorithms, all of them on the one trainer and for both objectives.

``settings`` says what each algorithm is in TRL's fields and where the values are from, ``rewards``
keeps what the two rewards returned, ``batch`` puts other groups in the place of those that teach
nothing, ``advantages`` has the estimators that TRL's GRPO lacks, ``trainer`` says what is needed of
the trainer, and ``algorithm`` puts them together around one generation batch. The recipe's section
is ``AlgorithmConfig`` in ``trainer_client.config``.
"""
