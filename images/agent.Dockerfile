# The agent: keepalived and the Node process that steers it. Runs on every node, in the host's network.
# Builds with the classic builder and with BuildKit; any Debian-based image with Node 20 or later serves as base.
ARG BASE_IMAGE=node:24-bookworm-slim

# The same steps as in the coordinator's file, so that the two share their layers.
FROM ${BASE_IMAGE} AS build
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json build.mjs ./
COPY shared shared
COPY agent agent
COPY coordinator coordinator
RUN npm run build

FROM ${BASE_IMAGE}
# Before the sources: this layer changes with Debian, not with us.
RUN apt-get update \
  && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
    iproute2 iputils-arping keepalived ndisc6 \
  && rm -rf /var/lib/apt/lists/* /etc/keepalived/*
COPY --from=build /src/dist/agent.js /src/dist/agent.js.map /src/dist/keepalived.conf.njk /opt/swarm-vip/
COPY agent/init.sh agent/lease.pl /opt/swarm-vip/
# Node resolves the bundle as a module by the nearest package.json.
RUN echo '{"type":"module"}' >/opt/swarm-vip/package.json
ENV NODE_ENV=production
# The agent touches the heartbeat; no Node process is started to look at it. A dead agent is restarted by init.sh,
# a hung one by Swarm. The first check, one interval after the start, is what lets Swarm call the task running.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
  CMD [ $(( $(date +%s) - $(stat -c %Y /run/swarm-vip/heartbeat) )) -lt 15 ]
ENTRYPOINT ["/bin/sh", "/opt/swarm-vip/init.sh"]
ARG VERSION=0.0.0
ARG SOURCE=
LABEL org.opencontainers.image.title="swarm-vip agent" \
  org.opencontainers.image.description="Holds virtual IP addresses on a Docker Swarm node by VRRP" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.source="${SOURCE}" \
  org.opencontainers.image.licenses="Apache-2.0"
