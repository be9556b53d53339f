# The page for recordings, and predict as a command. No compiler, no TensorFlow, no recording.
#
#   podman build -t ser-tinyml .                 (or docker)
#   podman run --rm -p 127.0.0.1:8501:8501 ser-tinyml
#   podman run --rm -v "$PWD:/data:ro" ser-tinyml predict /data/voice.wav
#
# BASE is a Debian with apt; Python comes from it. requirements.lock pins the rest.
ARG BASE=docker.io/library/debian:12.11-slim

# hadolint ignore=DL3006
FROM ${BASE} AS built
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && apt-get install -qq -y --no-install-recommends python3 python3-venv > /dev/null
WORKDIR /source
COPY pyproject.toml setup.py requirements.lock README.md LICENSE ./
COPY ser_tinyml ser_tinyml
COPY models models
COPY firmware firmware
# pip's own settings, such as an index of one's own, come in as a secret and stay in no layer.
RUN --mount=type=secret,id=pip,target=/etc/pip.conf,required=false \
    python3 -m venv /opt/ser-tinyml \
    && /opt/ser-tinyml/bin/pip install -q --no-cache-dir --disable-pip-version-check \
        -c requirements.lock '.[page]' \
    && /opt/ser-tinyml/bin/pip uninstall -q -y pip \
    && find /opt/ser-tinyml -path '*/site-packages/*' \( -name tests -o -path '*/pyarrow/include' \) \
        -type d -prune -exec rm -rf {} + \
    && find /opt/ser-tinyml -name __pycache__ -prune -exec rm -rf {} +

# hadolint ignore=DL3006
FROM ${BASE}
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update -qq \
    && apt-get install -qq -y --no-install-recommends python3 > /dev/null \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --home-dir /tmp ser
COPY --from=built /opt/ser-tinyml /opt/ser-tinyml
# Its root may be read-only: what is written goes to /tmp.
ENV PATH=/opt/ser-tinyml/bin:$PATH \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001
WORKDIR /data
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD \
    ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
ENTRYPOINT ["ser-tinyml"]
CMD ["page", "--host", "0.0.0.0"]
