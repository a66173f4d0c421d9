"""The executor: a service that runs untrusted programs in gVisor and judges them."""
