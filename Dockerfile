# One image for Binder, for a development container and for a cluster, of the versions that requirements.lock pins.
#
# The lock's torch for Linux brings CUDA (4 of the environment's 6 GB) and computes on the processor where there is no GPU, so
# that one image serves both. On a GPU: docker run --gpus all …, or apptainer exec --nv ….
FROM python:3.11-slim-bookworm

# Binder gives its own user; it and Kubernetes ask for one that is not root.
ARG NB_USER=reader
ARG NB_UID=1000
ENV USER=${NB_USER} \
    HOME=/srv/${NB_USER} \
    VIRTUAL_ENV=/opt/venv \
    PATH=/opt/venv/bin:${PATH}

# Debian keeps one version of each for a release.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --home-dir "${HOME}" --shell /bin/bash --uid "${NB_UID}" "${NB_USER}" \
    && install --directory --owner="${NB_UID}" /opt/venv /srv/blurvae

USER ${NB_UID}
WORKDIR /srv/blurvae

# Before the book is copied, so that a changed chapter does not install everything again.
COPY --chown=${NB_UID} requirements.lock .
RUN python -m venv /opt/venv \
    && pip install --no-cache-dir --no-deps --require-hashes --requirement requirements.lock

# `make` and the book's own command lines look for .venv, and find the environment there as it is.
COPY --chown=${NB_UID} . .
RUN ln -s /opt/venv .venv \
    && pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
    && touch .venv/.stamp \
    && python -m blurvae.pages plain --out plain

# Records name the commit of the code, and the image holds no .git.
ARG BLURVAE_COMMIT=
ENV BLURVAE_COMMIT=${BLURVAE_COMMIT}

EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser"]
