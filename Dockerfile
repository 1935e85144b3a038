# FrugalCXR in a container: `trainer` (the default target) trains, evaluates, infers and serves, on a GPU where one is
# given; `server` is the MLflow server of compose.yaml, `ray` a node of a Ray cluster, `orthanc` an archive to try
# `frugal serve` with. How to use them: docs/docker.md, docs/cluster.md and docs/pacs.md.
#
#   docker build --tag frugal-cxr .
#   docker build --tag frugal-cxr-cpu --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu .
#   docker build --tag frugal-cxr-server --target server .
#
# PyPI's wheels of PyTorch bring the CUDA libraries, so a GPU node needs its driver and the NVIDIA container toolkit, no
# more. PyTorch's own index also has wheels without them: a third of the size, for machines without a GPU.

FROM python:3.11.14-slim-bookworm AS base
ENV PATH=/opt/frugal/bin:$PATH \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONUNBUFFERED=1 \
    MLFLOW_DISABLE_TELEMETRY=true \
    DO_NOT_TRACK=true \
    HOME=/home/frugal \
    USER=frugal
# Open to all, as `docker run --user` may name anybody: files in a mounted folder then belong to that person.
RUN groupadd --gid 1000 frugal \
    && useradd --uid 1000 --gid 1000 --home-dir /home/frugal --create-home frugal \
    && install --directory --owner 1000 --group 1000 --mode 1777 \
        /home/frugal /workspace /workspace/data /workspace/runs /workspace/spool /mlartifacts
RUN python3 -m venv /opt/frugal
COPY constraints.txt /opt/frugal/

FROM base AS server
RUN pip install --constraint /opt/frugal/constraints.txt mlflow psycopg2-binary
USER 1000:1000
WORKDIR /home/frugal
EXPOSE 5000
CMD ["mlflow", "server", "--help"]

# What changes seldom comes first: the 5 GB of dependencies are one layer that a change of our code leaves alone.
FROM base AS dependencies
ARG TORCH_INDEX=
# Without bytecode, which takes 0.4 GB: the trainer makes what runs use.
# The two alone: their dependencies come from PyPI, as PyTorch's index has few versions of them.
RUN if [ -n "$TORCH_INDEX" ]; then \
        pip install --no-compile --no-deps --constraint /opt/frugal/constraints.txt --index-url "$TORCH_INDEX" torch torchvision; \
    fi
COPY setup.cfg /opt/frugal/
RUN python -c 'import configparser; c = configparser.ConfigParser(); c.read("/opt/frugal/setup.cfg"); print(c["options"]["install_requires"], c["options.extras_require"]["deploy"])' \
        > /opt/frugal/requirements.txt \
    && pip install --no-compile --constraint /opt/frugal/constraints.txt --requirement /opt/frugal/requirements.txt setuptools

FROM dependencies AS trainer
COPY setup.cfg pyproject.toml README.md LICENSE frugal.py /opt/frugal/source/
COPY app /opt/frugal/source/app
COPY bundles /opt/frugal/source/bundles
COPY transforms /opt/frugal/source/transforms
COPY evaluation /opt/frugal/source/evaluation
RUN pip install --no-compile --no-deps --no-build-isolation /opt/frugal/source \
    && rm -rf /opt/frugal/source \
    && ln -s "$(frugal bundle path)" /workspace/bundles
# Makes the bytecode, which the user of the container could not write; and no image is built that cannot train.
RUN export HOME=/tmp/first TMPDIR=/tmp/first && mkdir /tmp/first && cd /tmp/first \
    && frugal train nodule_detection --phantoms#count 20 --phantoms#size 64 --image_size 64 --max_epochs 1 \
    && frugal predict runs/nodule_detection data/phantoms-*/images --any_view True \
    && rm -r /tmp/first
# A bare run is recorded beside its results, where a mounted folder keeps it.
ENV MLFLOW_TRACKING_URI=sqlite:////workspace/runs/mlflow.db \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 1000:1000
WORKDIR /workspace
CMD ["frugal", "--help"]

# A node of a Ray cluster. `default` brings what KubeRay submits jobs and probes health by; its probes call wget.
FROM trainer AS ray
USER root
RUN apt-get update \
    && apt-get install --yes --no-install-recommends wget \
    && rm -rf /var/lib/apt/lists/*
RUN pip install --constraint /opt/frugal/constraints.txt grpcio "ray[default]"
ENV RAY_USAGE_STATS_ENABLED=0
USER 1000:1000
CMD ["ray", "start", "--help"]

# What is in the trainer, of Debian and of Python, as CycloneDX: `docker run --rm IMAGE > image.cdx.json`.
FROM trainer AS sbom
USER root
RUN python3 -m venv /tmp/tools \
    && /tmp/tools/bin/pip install cyclonedx-bom==7.5.0 debsbom==0.10.2 \
    && cd /tmp && printf '[project]\nname = "frugal-cxr"\nversion = "%s"\n' "$(frugal --version | cut -d ' ' -f 2)" > pyproject.toml \
    && tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-file python.cdx.json /opt/frugal/bin/python \
    && tools/bin/debsbom generate --sbom-type cdx --with-licenses --out debian \
    && tools/bin/debsbom merge --sbom-type cdx --distro-name frugal-cxr --out /image debian.cdx.json python.cdx.json \
    && rm -r /tmp/*
USER 1000:1000
CMD ["cat", "/image.cdx.json"]

# A small archive, Debian's Orthanc, to try the service with.
FROM python:3.11.14-slim-bookworm AS orthanc
RUN apt-get update \
    && apt-get install --yes --no-install-recommends orthanc orthanc-dicomweb \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner 1000 --group 1000 --mode 700 /archive
USER 1000:1000
WORKDIR /archive
EXPOSE 4242 8042
CMD ["Orthanc", "/etc/frugal/orthanc.json"]

# What a build makes if it names no target.
FROM trainer AS default
