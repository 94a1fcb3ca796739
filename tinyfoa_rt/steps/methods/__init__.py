"""Methods, one file each: where the error that trains a block comes from."""

from tinyfoa_rt.steps.methods.method import KeptTensor, Method, RateUnits, Signal
from tinyfoa_rt.steps.methods.registry import METHODS, method_of, register_method

__all__ = ["METHODS", "KeptTensor", "Method", "RateUnits", "Signal", "method_of", "register_method"]
