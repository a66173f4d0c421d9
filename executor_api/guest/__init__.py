"""What runs inside the sandbox. Standard library only; nothing here decides a verdict.

::

    supervisor ── child ⇄ zygote ── forked ─┬─ runner
                                            ├─ traced
                                            ├─ native
                                            └─ tester ⇄ served

The sandbox's first process is the ``supervisor``. It has the ``zygote`` fork a process for each
program, which begins in ``forked`` and takes one of the roles at its right; an assertion takes two
processes. A ``child`` is what the supervisor holds of one. All are plain modules of one folder and
import each other by their bare names.

Wire: what they say to each other and to the host (``PROTOCOL.md``)
    ``frames``          messages between host and supervisor
    ``codec``           plain values as JSON
    ``dialogue``        messages between test code and program

Processes: to start, bound and end them
    ``supervisor``      takes jobs from the host, answers them, cleans up
    ``zygote``          forks, and tells of ends
    ``syscall_filter``  what a program may not ask of the kernel
    ``child``           one forked process, as the supervisor sees it
    ``process``         its limits, and the watch over it
    ``notes``           what a program's process tells beside its answers
    ``attachments``     files placed for a program, and files it made
    ``native_batch``    watches ``native``
    ``forked``          waits for a program and becomes it

Running: in the program's process
    ``runner``          runs a Python program on its tests and reports
    ``reports``         its answers, on their way to the supervisor
    ``outcomes``        how a run ended, and what is told of its exceptions
    ``ending``          the end of a run as of its process, and what it leaves
    ``native``          builds and runs one that is not Python
    ``streams``         the files behind its input and output, from both sides
    ``memory_streams``  the same without system calls
    ``reach``           which programs may have those

Tracing: in the program's process
    ``traced``          one run under the tracer
    ``tracer``          turns events into records
    ``monitoring``      the events, from Python 3.12
    ``settrace``        the events, on 3.11, where ``covered`` has its hook from it, too
    ``codes``           what events of a code object mean
    ``activation``      what is known of a frame
    ``bindings``        which variables an instruction binds
    ``flow``            what happens between two events
    ``records``         records on their way out
    ``describe``        the text of any value, with
                        ``texts``, ``scalars``, ``labels``, ``contents``, ``layouts``, ``plain``
    ``counting``        has a program count its definitions itself, where that is right:
                        ``certain``, of ``scopes`` and ``ownership``; ``trees`` reads syntax
    ``library``         what is known of builtins and of the standard library

Coverage: in the program's process
    ``covered``         tells lines and branches as they first run
    ``branches``        which there are
    ``waymarks``        marks on ways that nothing else would tell of

Assertions: test code apart from the program
    ``tester``          runs the test code
    ``stand_ins``       what stands there for the program's functions and objects
    ``names``           which names in it mean Python's own
    ``served``          does in the program's process what the test code asks
"""
