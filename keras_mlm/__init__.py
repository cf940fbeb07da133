"""From a folder of text to a served, domain-specific BERT, on Keras and TensorFlow."""

__version__ = "0.1.0"
