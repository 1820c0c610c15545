"""Scores as numpy arrays: conversion from tensors, softmax."""

from __future__ import annotations

from typing import Any

import numpy as np


def to_array(values: Any) -> np.ndarray:
    """Float32 array of an array, or of a tensor on any device."""
    if hasattr(values, "detach"):  # a tensor; this module does not import torch
        values = values.detach().cpu().float().numpy()
    return np.asarray(values, np.float32)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Logarithms of the softmax over the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis."""
    return np.exp(log_softmax(logits))


def log_mean_exp(values: np.ndarray, axis: int) -> np.ndarray:
    """Logarithm of the mean of the exponentials over an axis."""
    largest = values.max(axis, keepdims=True)
    return np.log(np.exp(values - largest).mean(axis)) + largest.squeeze(axis)
