"""A torch device that is not the CPU but computes there: what mixes devices fails as it does on a GPU.

Its tensors hold one of the CPU each, and torch hands every operation on them to :func:`_run`. As with CUDA an operation
takes beside them only tensors of no dimension, and indices, from the CPU; numpy sees none of them.
"""

from functools import partial

import torch
from torch.utils import backend_registration

NAME = "simulated"
REGISTER = getattr(backend_registration, "_setup_privateuseone_for_python_backend", None)
"""Makes the device known; None where torch is too old for devices written in Python."""

_INDEXED = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_", "aten::_unsafe_index")


class Simulated(torch.Tensor):
    """A tensor of the device; ``held`` has its numbers."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held):
        layout = {"strides": held.stride(), "storage_offset": held.storage_offset(), "dtype": held.dtype}
        return torch.Tensor._make_wrapper_subclass(cls, held.shape, **layout, device=f"{NAME}:0")

    def __init__(self, held):
        self.held = held

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return _run(function, *args, **(kwargs or {}))

    def __repr__(self):
        return f"Simulated({self.held})"

    def numpy(self, **_):
        raise TypeError(f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() first.")

    def tolist(self):
        return self.held.tolist()


def _mapped(kind, change, tree):
    """Change all tensors of a kind in a list of lists, tuples and others (torch's own ``tree_map`` takes its time)."""
    if isinstance(tree, (list, tuple)):
        return type(tree)(_mapped(kind, change, branch) for branch in tree)
    return change(tree) if isinstance(tree, kind) else tree


def _held(tree):
    return _mapped(Simulated, lambda tensor: tensor.held, tree)


def _run(function, *args, **kwargs):
    """The operation on what the tensors hold."""
    name, parameters = function._schema.name, function._schema.arguments
    if name == "aten::_copy_from":
        _held(args[1]).copy_(_held(args[0]))
        return args[1]
    named = dict(zip((p.name for p in parameters), args, strict=False)) | kwargs
    written = [named[p.name] for p in parameters if p.alias_info and p.alias_info.is_write and p.name in named]
    wanted = kwargs.get("device")
    if wanted is None and name != "aten::copy_":
        needed = [named["self"], named.get("values")] if name in _INDEXED else list(named.values())
        strange: list[torch.Tensor] = []
        _mapped(torch.Tensor, lambda t: None if isinstance(t, Simulated) else strange.append(t), needed)
        if any(t.ndim or any(t is out for out in written) for t in strange):
            raise RuntimeError(
                f"Expected all tensors to be on the same device, but found at least two devices, {NAME}:0 and cpu! "
                f"(in {function})"
            )
    if wanted is not None:
        kwargs["device"] = "cpu"
    result = function(*_held(args), **dict(zip(kwargs, _held(list(kwargs.values())), strict=True)))
    for out in written:
        if isinstance(out, Simulated) and (out.shape, out.stride()) != (out.held.shape, out.held.stride()):
            out.data = Simulated(out.held)  # in place, as torch.eye does it with an empty tensor
    if written:
        return written[0] if len(written) == 1 else tuple(written)
    if wanted is not None and torch.device(wanted).type == "cpu":
        return result
    return _mapped(torch.Tensor, Simulated, result)


def register():
    """Make the device known to torch; once in a process, and before anything is differentiated there.

    The threads that differentiate are started by device at their first use.
    """
    module = backend_registration._DummyBackendModule()
    module.get_amp_supported_dtype = lambda: [torch.float16, torch.bfloat16]  # so that it can be turned off
    REGISTER(NAME, module)
    rest, some = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
    rest.fallback(_run, "PrivateUse1")
    some.impl("_copy_from", partial(_run, torch.ops.aten._copy_from.default), "PrivateUse1")
    return rest, some  # which live as long as what they registered
