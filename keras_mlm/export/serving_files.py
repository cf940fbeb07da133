"""The files beside the numbered folders that start TF Serving: settings, Docker Compose, Kubernetes."""

import re

import tensorflow as tf

from keras_mlm.export.warm_up import BATCH_SIZES

# The newest image that links tensorflow-text's operations; see the compatibility table of README.md.
IMAGE = "tensorflow/serving:2.19.1"
FOLDER = "serving"

_MODELS = """\
# What the server serves; it reads this file again every minute. Two versions side by side, and the way back:
#
#   model_version_policy {{ specific {{ versions: 1 versions: 2 }} }}
#   version_labels {{ key: "stable" value: 1 }}
#   version_labels {{ key: "canary" value: 2 }}
#
# A client asks for /v1/models/{name}/versions/2 or /v1/models/{name}/labels/canary. When 2 is good, "stable" becomes 2;
# when it is not, name 1 alone: the server unloads 2 without a gap. A label can only name a version that is loaded
# already, unless the server runs with --allow_version_labels_for_unavailable_models.
model_config_list {{
  config {{
    name: "{name}"
    base_path: "/models/{name}"
    model_platform: "tensorflow"
    model_version_policy {{ latest {{ num_versions: 1 }} }}
  }}
}}
"""

_BATCHING = """\
# Requests that arrive within two milliseconds of each other are computed together. The graph pads texts itself, so the
# server has nothing to pad but the number of rows, to one of the sizes that were warmed up.
max_batch_size {{ value: {largest} }}
batch_timeout_micros {{ value: 2000 }}
max_enqueued_batches {{ value: 100 }}
num_batch_threads {{ value: 4 }}
{sizes}
"""

_BFLOAT16 = """\
# On a CPU with bfloat16 products (AVX-512 BF16, AMX) answers come about 1.7 times as fast, some 0.001 off. Start the
# server with --platform_config_file=/models/{name}/serving/bfloat16.config in place of the two batching arguments.
platform_configs {{
  key: "tensorflow"
  value {{
    source_adapter_config {{
      [type.googleapis.com/tensorflow.serving.SavedModelBundleSourceAdapterConfig] {{
        legacy_config {{
          enable_model_warmup: true
          session_config {{
            graph_options {{ rewrite_options {{ auto_mixed_precision_onednn_bfloat16: ON }} }}
          }}
          batching_parameters {{
            max_batch_size {{ value: {largest} }}
            batch_timeout_micros {{ value: 2000 }}
            max_enqueued_batches {{ value: 100 }}
            num_batch_threads {{ value: 4 }}
            {inner_sizes}
          }}
        }}
      }}
    }}
  }}
}}
"""

_MONITORING = """\
prometheus_config {
  enable: true
  path: "/monitoring/prometheus/metrics"
}
"""

_COMPOSE = """\
# docker compose -f serving/docker-compose.yml up
services:
  {service}:
    image: {image}
    command:
{command}
    ports:
      - "8500:8500"
      - "8501:8501"
    volumes:
      - "..:/models/{name}:ro"
    healthcheck:
      test: ["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8501"]
      interval: 10s
      start_period: 60s
    restart: unless-stopped
"""

_KUBERNETES = """\
# kubectl apply -f kubernetes.yaml, once the claim {service}-model holds a copy of the model folder.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {service}
  labels:
    app: {service}
spec:
  replicas: 2
  selector:
    matchLabels:
      app: {service}
  template:
    metadata:
      labels:
        app: {service}
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "8501"
        prometheus.io/path: /monitoring/prometheus/metrics
    spec:
      containers:
        - name: serving
          image: {image}
          args:
{arguments}
          ports:
            - name: grpc
              containerPort: 8500
            - name: rest
              containerPort: 8501
          # Answers once the version is loaded and warmed up.
          readinessProbe:
            httpGet:
              path: /v1/models/{name}
              port: rest
            periodSeconds: 5
          livenessProbe:
            tcpSocket:
              port: grpc
            initialDelaySeconds: 60
          resources:
            requests:
              cpu: "2"
              memory: 1Gi
            limits:
              memory: 4Gi
          volumeMounts:
            - name: model
              mountPath: /models/{name}
              readOnly: true
      volumes:
        - name: model
          persistentVolumeClaim:
            claimName: {service}-model
            readOnly: true
---
apiVersion: v1
kind: Service
metadata:
  name: {service}
spec:
  selector:
    app: {service}
  ports:
    - name: grpc
      port: 8500
      targetPort: grpc
    - name: rest
      port: 8501
      targetPort: rest
"""


def server_arguments(name: str) -> list[str]:
    """Return what the server is started with, for a model folder mounted at `/models/NAME`."""
    settings = f"/models/{name}/{FOLDER}"
    return [
        f"--model_config_file={settings}/models.config",
        "--model_config_file_poll_wait_seconds=60",
        f"--monitoring_config_file={settings}/monitoring.config",
        "--enable_batching=true",
        f"--batching_parameters_file={settings}/batching_parameters.txt",
    ]


def docker_command(name: str) -> str:
    """Return the line that serves a model folder with Docker, said in the folder that holds the numbers."""
    return " \\\n  ".join(
        [
            f'docker run --rm -p 8500:8500 -p 8501:8501 -v "$PWD:/models/{name}:ro" {IMAGE}',
            *server_arguments(name),
        ]
    )


def write_serving_files(folder: str, name: str) -> list[str]:
    """Write the folder `serving` beside the numbered folders; files that are there already are left as they are.

    Args:
        folder: str, where the numbered folders are.
        name: str, the name that clients know the model by.

    Returns:
        The paths that were written, a list of str.

    Example:
        ```python
        write_serving_files("saved_models/news", "news")
        ```

    References:
        - [TF Serving's settings](https://www.tensorflow.org/tfx/serving/serving_config)
    """
    service = re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-") or "model"
    values = {
        "name": name,
        "service": service,
        "image": IMAGE,
        "largest": max(BATCH_SIZES),
        "sizes": "\n".join(f"allowed_batch_sizes: {size}" for size in BATCH_SIZES),
        "inner_sizes": " ".join(f"allowed_batch_sizes: {size}" for size in BATCH_SIZES),
        "command": "\n".join(f'      - "{argument}"' for argument in server_arguments(name)),
        "arguments": "\n".join(f'            - "{argument}"' for argument in server_arguments(name)),
    }
    files = {
        "models.config": _MODELS.format(**values),
        "batching_parameters.txt": _BATCHING.format(**values),
        "bfloat16.config": _BFLOAT16.format(**values),
        "monitoring.config": _MONITORING,
        "docker-compose.yml": _COMPOSE.format(**values),
        "kubernetes.yaml": _KUBERNETES.format(**values),
    }
    tf.io.gfile.makedirs(tf.io.gfile.join(folder, FOLDER))
    written = []
    for file_name, text in files.items():
        path = tf.io.gfile.join(folder, FOLDER, file_name)
        if not tf.io.gfile.exists(path):  # an operator's own settings stay
            with tf.io.gfile.GFile(path, "w") as file:
                file.write(text)
            written.append(path)
    return written
