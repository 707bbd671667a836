"""PyTorch's own test data as the exam of tinyconv.

torch ships databases of its operations, modules and optimizers, with samples that reach their
corners and arguments they must refuse. ``ops``, ``modules`` and ``optimizers`` find the entries
that tinyconv has by their names and compare; ``tables`` says what is left out, and what fails;
``report`` writes ``docs/conformance.md``. ``TINYCONV_OPINFO=full`` takes all samples instead of a
few an entry.
"""
