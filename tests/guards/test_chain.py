"""A chain of 100,000 nodes goes forward, backward and away without recursion."""

import subprocess
import sys

import pytest

LENGTH = 100_000

BACKWARD = f"""
import markone as mo
x = mo.tensor([1.0, 2.0], requires_grad=True)
y = x
for _ in range({LENGTH}):
    y = y + 1.0
y.sum().backward()
assert x.grad.tolist() == [1.0, 1.0], x.grad
print("done")
"""

FREE_ALONE = f"""
import gc
import markone as mo
gc.disable()
x = mo.tensor([1.0, 2.0], requires_grad=True)
before = mo._C.memory_stats()["allocated_bytes"]
y = x
for _ in range({LENGTH}):
    y = y * 1.0
del y
after = mo._C.memory_stats()["allocated_bytes"]
assert after <= before + 4096, (before, after)
print("done")
"""

SECOND_ORDER = f"""
import markone as mo
x = mo.tensor([1.0], requires_grad=True)
y = x * x
for _ in range({LENGTH // 10}):
    y = y * 1.0
(g,) = mo.autograd.grad(y.sum(), x, create_graph=True)
(h,) = mo.autograd.grad(g.sum(), x)
assert h.tolist() == [2.0], h
print("done")
"""


@pytest.mark.parametrize("program", [BACKWARD, FREE_ALONE, SECOND_ORDER], ids=["backward", "freed", "second"])
def test_a_long_chain_works(program):
    # A small stack, so that one frame a node would not do.
    small = (
        "import threading\n"
        "threading.stack_size(1 << 20)\n"
        f"thread = threading.Thread(target=exec, args=({program!r}, {{}}))\n"
        "thread.start()\n"
        "thread.join()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", small], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-2000:]}"
    assert done.stdout.strip() == "done", done.stderr[-2000:]
