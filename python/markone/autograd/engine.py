"""The backward pass: iterative, so that no graph is too deep, and what users call for it."""

from __future__ import annotations

import heapq
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from .. import _C, _context
from ..tensor import Tensor
from .graph import NODES, HookHandle, Hooks, Node, Output, changed, edge_of, freed
from .modes import modes

_version_sum = _C.version_sum
_add = _C.add

# Set while some thread is inside detect_anomaly; see anomaly.py.
check_backward: Callable[[Any, Any], None] | None = None


def _apply_hooks(hooks: Hooks, array: Any, as_tensor: bool) -> Any:
    """Runs a tensor's hooks on its gradient, then stores it where retain_grad asked for it."""
    grad = array if as_tensor else Tensor(array)
    if hooks.functions:
        _C.refuse_recording("hook", "a replay would not call a tensor's hook")
    for hook in list(hooks.functions.values()):
        replaced = hook(grad)
        if replaced is not None:
            if not isinstance(replaced, Tensor):
                raise TypeError(f"hook: wants a Tensor or None back, got {type(replaced).__name__}")
            if replaced._array.shape != grad._array.shape:
                raise RuntimeError(
                    f"hook: the gradient has shape {list(grad.shape)}, the hook returned "
                    f"{list(replaced.shape)}"
                )
            grad = replaced
    for reference in hooks.retained:
        kept = reference()
        if kept is not None:
            _accumulate(kept, grad if as_tensor else grad._array, as_tensor, False)
    return grad if as_tensor else grad._array


def _accumulate(leaf: Tensor, grad: Any, as_tensor: bool, fresh: bool) -> None:
    """leaf.grad += grad. The first gradient is taken over when nobody else holds it."""
    if _context.recorders:
        _context.note_gradient(leaf)
    before = leaf._grad
    if as_tensor:
        leaf._grad = grad if before is None else _tensor_add(before, grad)
    elif before is None:
        leaf._grad = Tensor(grad if fresh and _C.is_sole_owner(grad) else _C.clone(grad))
    elif before._requires_grad:
        leaf._grad = Tensor(_add(before._array, grad))
    else:
        _C.add_into(before._array, before._array, grad)


def _tensor_add(a: Tensor, b: Tensor) -> Tensor:
    from ..ops import add

    return add(a, b)


def _reaching(roots: list[Any], targets: set[Any]) -> set[Any]:
    """The nodes below `roots` from which some target can be reached."""
    seen: set[Any] = set()
    stack = [root for root in roots if root.__class__ in NODES]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        stack += [edge for edge in node.edges if edge.__class__ in NODES and edge not in seen]
    needed = set(targets)
    for node in sorted((n for n in seen), key=lambda n: n.number):
        if node not in needed and not needed.isdisjoint(node.edges):
            needed.add(node)
    return needed


def _backward_of(node: Node, grad: Any, create: bool) -> Any:
    """The gradients of a node's inputs, in the form (Array or Tensor) that the pass works in."""
    op = node.op
    saved = node.saved
    if saved is None:
        raise freed(node)
    if saved and _version_sum(saved) != node.version:
        raise changed(node)
    if not create:
        if op.native is not None:
            return op.native(node, grad)
        if grad.__class__ is list:
            wrapped: Any = [None if g is None else Tensor(g) for g in grad]
        else:
            wrapped = Tensor(grad)
        out = op.differentiable(node, wrapped)  # type: ignore[misc]
        return [None if g is None else g._array for g in out]
    if op.differentiable is None:
        raise NotImplementedError(f"{op.name}: gradients of its gradient are not implemented")
    return op.differentiable(node, grad)


def run_backward(
    roots: Sequence[tuple[Any, Any]],
    retain_graph: bool,
    create_graph: bool,
    targets: Sequence[Any] | None = None,
    accumulate: bool = True,
) -> dict[Any, Any]:
    """Sends gradients from `roots` (edge, gradient) down the graph.

    Gradients are Arrays, or Tensors with create_graph. With `targets` (edges) only paths to those are
    followed and
    what arrives there is returned; leaves among them get it in .grad where `accumulate` says so. Without,
    every
    leaf gets it.
    """
    add = _tensor_add if create_graph else _add
    wanted = None if targets is None else set(targets)
    needed = None if wanted is None else _reaching([edge for edge, _ in roots], wanted)
    captured: dict[Any, Any] = {}
    pending: dict[Any, Any] = {}
    leaves: dict[Any, Any] = {}
    heap: list[tuple[int, Node]] = []

    def leaf_gradient(leaf: Any, grad: Any, fresh: bool) -> None:
        before = leaves.get(leaf)
        leaves[leaf] = (grad, fresh) if before is None else (add(before[0], grad), True)

    for edge, grad in roots:
        if needed is not None and edge not in needed:
            continue
        if edge.__class__ not in NODES:
            leaf_gradient(edge, grad, False)
        elif edge in pending:
            pending[edge] = add(pending[edge], grad)
        else:
            pending[edge] = grad
            heapq.heappush(heap, (-edge.number, edge))

    before = modes.grad, modes.autocast
    # Gradients have the types of what they are gradients of.
    modes.grad, modes.autocast = create_graph, False
    try:
        while heap:
            node = heapq.heappop(heap)[1]
            grad = pending.pop(node)
            if node.hooks is not None:
                grad = _apply_hooks(node.hooks, grad, create_graph)
            if wanted is not None and node in wanted:
                captured[node] = grad
                if needed is not None and needed.isdisjoint(node.edges):
                    continue
            if node.__class__ is Output:
                target = node.edges[0]
                index, count = node.ctx
                if target not in pending:
                    pending[target] = [None] * count
                    heapq.heappush(heap, (-target.number, target))
                pending[target][index] = grad
                continue
            grads = _backward_of(node, grad, create_graph)
            if check_backward is not None:
                check_backward(node, grads)
            for edge, out in zip(node.edges, grads, strict=True):
                if edge is None or out is None or (needed is not None and edge not in needed):
                    continue
                if edge.__class__ in NODES:
                    if edge in pending:
                        pending[edge] = add(pending[edge], out)
                    else:
                        pending[edge] = out
                        heapq.heappush(heap, (-edge.number, edge))
                else:
                    fresh = not create_graph and out is not grad and _only_once(out, node, grads)
                    leaf_gradient(edge, out, fresh)
            if not retain_graph and node.saved:
                node.saved = None  # type: ignore[assignment]
                node.ctx = None
            grad = grads = out = None
        for leaf, (grad, fresh) in leaves.items():
            hooks = leaf._hooks
            if hooks is not None and hooks.functions:
                grad, fresh = _apply_hooks(hooks, grad, create_graph), False
            if wanted is not None and leaf in wanted:
                captured[leaf] = grad
            if accumulate:
                _accumulate(leaf, grad, create_graph, fresh)
                if hooks is not None and hooks.accumulated:
                    _C.refuse_recording("hook", "a replay would not call a tensor's hook")
                    for hook in list(hooks.accumulated.values()):
                        hook(leaf)
    finally:
        modes.grad, modes.autocast = before
    return captured


def _only_once(out: Any, node: Node, grads: Sequence[Any]) -> bool:
    """A gradient that this node made for one input alone."""
    if node.op.native is None:
        return False  # it went through a Tensor that user code may hold
    if node.saved:
        for item in node.saved:
            if item is out:
                return False
    return sum(1 for g in grads if g is out) == 1


# -- what users call


def _root_gradient(op: str, output: Tensor, gradient: Any, create_graph: bool) -> Any:
    if gradient is None:
        if output._array.numel != 1:
            raise RuntimeError(
                f"{op}: a gradient is made up only for a tensor of one element, this one has shape "
                f"{list(output.shape)}: pass its gradient"
            )
        ones = _C.empty(output._array.shape, output._array.dtype, output._array.device)
        _C.fill(ones, 1.0)
        return Tensor(ones) if create_graph else ones
    if not isinstance(gradient, Tensor):
        raise TypeError(f"{op}: a gradient must be a Tensor or None, got {type(gradient).__name__}")
    if gradient._array.shape != output._array.shape:
        raise RuntimeError(
            f"{op}: got a gradient of shape {list(gradient.shape)} for a tensor of shape {list(output.shape)}"
        )
    if gradient.dtype is not output.dtype:
        raise RuntimeError(f"{op}: got a gradient of {gradient.dtype} for a tensor of {output.dtype}")
    return gradient if create_graph else gradient._array


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _roots(op: str, outputs: Any, gradients: Any, create_graph: bool) -> list[tuple[Any, Any]]:
    tensors = _as_tuple(outputs)
    given = (None,) * len(tensors) if gradients is None else _as_tuple(gradients)
    if len(given) != len(tensors):
        raise RuntimeError(f"{op}: got {len(given)} gradients for {len(tensors)} tensors")
    roots = []
    for tensor, gradient in zip(tensors, given, strict=True):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{op}: wants Tensors, got {type(tensor).__name__}")
        edge = edge_of(tensor)
        if edge is None:
            raise RuntimeError(f"{op}: a tensor of shape {list(tensor.shape)} does not require a gradient")
        roots.append((edge, _root_gradient(op, tensor, gradient, create_graph)))
    return roots


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Adds the gradient of `tensors` (summed against `grad_tensors`) to the .grad of every leaf below them.

    Args:
        tensors: a Tensor or a sequence of them. One of a single element needs no gradient.
        grad_tensors: the gradients of `tensors`, of the same shapes and dtypes.
        retain_graph: keep the saved values for another pass (default: create_graph).
        create_graph: the gradients are themselves recorded.
        inputs: only these tensors get a gradient.
    """
    targets = None
    if inputs is not None:
        chosen = _as_tuple(inputs)
        if not chosen:
            raise RuntimeError("backward: inputs is empty")
        targets = [_target("backward", t) for t in chosen]
        for tensor, edge in zip(chosen, targets, strict=True):
            if edge is not tensor:
                retain_grad(tensor)
    retain = create_graph if retain_graph is None else retain_graph
    run_backward(_roots("backward", tensors, grad_tensors, create_graph), retain, create_graph, targets)


def _target(op: str, tensor: Any) -> Any:
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{op}: inputs must be Tensors, got {type(tensor).__name__}")
    edge = edge_of(tensor)
    if edge is None:
        raise RuntimeError(f"{op}: an input of shape {list(tensor.shape)} does not require a gradient")
    return edge


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of `outputs` by `inputs`, in a tuple; no .grad is touched.

    Raises RuntimeError for an input that no output depends on, unless allow_unused (then None) or
    materialize_grads (then zeros).
    """
    chosen = _as_tuple(inputs)
    targets = [_target("grad", t) for t in chosen]
    retain = create_graph if retain_graph is None else retain_graph
    roots = _roots("grad", outputs, grad_outputs, create_graph)
    captured = run_backward(roots, retain, create_graph, targets, accumulate=False)
    out: list[Tensor | None] = []
    for index, (tensor, edge) in enumerate(zip(chosen, targets, strict=True)):
        found = captured.get(edge)
        if found is None:
            if materialize_grads:
                zeros = _C.empty(tensor._array.shape, tensor._array.dtype, tensor._array.device)
                _C.fill(zeros, 0.0)
                out.append(Tensor(zeros))
                continue
            if not allow_unused:
                raise RuntimeError(
                    f"grad: no output depends on input {index} (shape {list(tensor.shape)}), pass "
                    f"allow_unused=True to "
                    "get None for it"
                )
            out.append(None)
        else:
            out.append(found if create_graph else Tensor(found))
    return tuple(out)


def register_hook(tensor: Tensor, hook: Callable[[Tensor], Tensor | None]) -> HookHandle:
    """`hook(grad)` runs when the tensor's gradient is known; what it returns replaces the gradient."""
    return HookHandle(_hooks_of("register_hook", tensor).functions, hook)


def register_post_accumulate_grad_hook(tensor: Tensor, hook: Callable[[Tensor], None]) -> HookHandle:
    """`hook(tensor)` runs after a leaf's .grad has been added to."""
    if edge_of(tensor) is not tensor:
        raise RuntimeError("register_post_accumulate_grad_hook: wants a leaf that requires a gradient")
    return HookHandle(_hooks_of("register_post_accumulate_grad_hook", tensor).accumulated, hook)


def _hooks_of(op: str, tensor: Tensor) -> Hooks:
    edge = edge_of(tensor)
    if edge is None:
        raise RuntimeError(f"{op}: the tensor does not require a gradient")
    if edge is tensor:
        _context.parameters_changed()  # what was recorded without the hook is stale
    holder, name = (tensor, "_hooks") if edge is tensor else (edge, "hooks")
    hooks = getattr(holder, name)
    if hooks is None:
        hooks = Hooks()
        setattr(holder, name, hooks)
    return hooks


def retain_grad(tensor: Tensor) -> None:
    """A tensor that is no leaf keeps its gradient in .grad too."""
    edge = edge_of(tensor)
    if edge is None:
        raise RuntimeError("retain_grad: the tensor does not require a gradient")
    if edge is tensor:
        return
    hooks = _hooks_of("retain_grad", tensor)
    if not any(reference() is tensor for reference in hooks.retained):
        hooks.retained.append(weakref.ref(tensor))
