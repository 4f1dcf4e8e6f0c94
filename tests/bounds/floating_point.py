"""Threads whose arithmetic is not IEEE's default."""

import ctypes
import mmap
import platform
import sys
import threading

import pytest

DEFAULT, FLUSH, SUBNORMALS_ARE_ZERO, DOWN, UP, TOWARDS_ZERO = 0x1F80, 0x9F80, 0x1FC0, 0x3F80, 0x5F80, 0x7F80


def set_register(value):
    """Set the control register of the calling thread (x86-64 on Linux)."""
    if not sys.platform.startswith("linux") or platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("writes the control register of x86-64 on Linux")
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(bytes.fromhex("0fae17c3"))  # ldmxcsr [rdi]; ret
    load = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    load(ctypes.addressof(ctypes.c_uint32(value)))


def in_thread(register, work):
    """The result of ``work()`` in a thread of its own with that control register."""
    set_register(DEFAULT)
    results = []

    def run():
        set_register(register)
        try:
            results.append(work())
        finally:
            set_register(DEFAULT)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return results[0]
