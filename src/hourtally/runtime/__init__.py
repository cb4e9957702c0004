"""The process: interrupts, threads, worker processes, memory."""
