"""Metrics: arrays in, numbers out. Only `latent_probes` asks a model."""

from wyner.metrics.attributes import attribute_accuracy, attribute_majority, attribute_table
from wyner.metrics.classifier import Classifier, digit_classifier, svhn_classifier, train_classifier
from wyner.metrics.conditional import label_accuracy, sample_variance
from wyner.metrics.content import balanced, code_accuracy, sample_accuracy
from wyner.metrics.conversion import conversion_accuracy, crossed_pairs
from wyner.metrics.features import Features, features_of, train_features
from wyner.metrics.frechet import (
    Moments,
    conditional_frechet,
    frechet,
    frechet_distance,
    joint_frechet,
    moments,
)
from wyner.metrics.probes import common_probe, kernel_probe, latent_probes, linear_probe, majority
from wyner.metrics.retrieval import (
    average_precision,
    average_precision_at,
    chance_scores,
    paired_top1,
    precision_at,
    ranked_relevance,
    retrieval_scores,
)
from wyner.metrics.verification import Verification, equal_error_rate, recording_codes, verification

__all__ = [
    "Classifier",
    "Features",
    "Moments",
    "Verification",
    "attribute_accuracy",
    "attribute_majority",
    "attribute_table",
    "average_precision",
    "average_precision_at",
    "balanced",
    "chance_scores",
    "code_accuracy",
    "common_probe",
    "conditional_frechet",
    "conversion_accuracy",
    "crossed_pairs",
    "digit_classifier",
    "equal_error_rate",
    "features_of",
    "frechet",
    "frechet_distance",
    "joint_frechet",
    "kernel_probe",
    "label_accuracy",
    "latent_probes",
    "linear_probe",
    "majority",
    "moments",
    "paired_top1",
    "precision_at",
    "ranked_relevance",
    "recording_codes",
    "retrieval_scores",
    "sample_accuracy",
    "sample_variance",
    "svhn_classifier",
    "train_classifier",
    "train_features",
    "verification",
]
