"""Metrics: arrays in, numbers out. None knows a model."""

from wyner.metrics.classifier import Classifier, digit_classifier, train_classifier
from wyner.metrics.conditional import label_accuracy, sample_variance

__all__ = ["Classifier", "digit_classifier", "label_accuracy", "sample_variance", "train_classifier"]
