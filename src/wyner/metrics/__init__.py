"""Metrics: arrays in, numbers out. Only `latent_probes` asks a model."""

from wyner.metrics.attributes import attribute_accuracy, attribute_majority, attribute_table
from wyner.metrics.classifier import Classifier, digit_classifier, svhn_classifier, train_classifier
from wyner.metrics.conditional import label_accuracy, sample_variance
from wyner.metrics.features import Features, features_of, train_features
from wyner.metrics.frechet import Moments, conditional_frechet, frechet, frechet_distance, joint_frechet, moments
from wyner.metrics.probes import latent_probes, linear_probe, majority

__all__ = [
    "Classifier",
    "Features",
    "Moments",
    "attribute_accuracy",
    "attribute_majority",
    "attribute_table",
    "conditional_frechet",
    "digit_classifier",
    "features_of",
    "frechet",
    "frechet_distance",
    "joint_frechet",
    "label_accuracy",
    "latent_probes",
    "linear_probe",
    "majority",
    "moments",
    "sample_variance",
    "svhn_classifier",
    "train_classifier",
    "train_features",
]
