"""The mixin of a model's training step: `TensorFlowStep` on TensorFlow, Keras' own step on other backends."""

import keras

if keras.backend.backend() == "tensorflow":
    from keras_mlm.models.tensorflow_step import TensorFlowStep as TrainingStep
else:

    class TrainingStep:  # type: ignore[no-redef]
        """Nothing: other backends take Keras' own step."""


__all__ = ["TrainingStep"]
