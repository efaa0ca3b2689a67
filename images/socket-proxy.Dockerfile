# Between the engine's socket and the coordinator: haproxy with a list of what may pass. Used by compose.socket-proxy.yaml.
ARG BASE_IMAGE=debian:bookworm-slim
FROM ${BASE_IMAGE}
RUN apt-get update \
  && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends haproxy \
  && rm -rf /var/lib/apt/lists/*
COPY images/socket-proxy.cfg /etc/haproxy/haproxy.cfg
HEALTHCHECK --interval=5s --timeout=3s --retries=3 CMD [ -S /run/engine/docker.sock ]
ENTRYPOINT ["haproxy", "-db", "-f", "/etc/haproxy/haproxy.cfg"]
ARG VERSION=0.0.0
LABEL org.opencontainers.image.title="swarm-vip socket proxy" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.licenses="Apache-2.0"
