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
# Healthy once the agent has started, so that an update waits for it, and from then on: Swarm answers ill health by
# killing the container, and with it a keepalived that does its duty. PID 1 restarts an agent that dies or hangs. A check
# that cannot be executed counts as failed, too: hence a patience that no overloaded machine exhausts.
HEALTHCHECK --interval=5s --timeout=60s --start-period=30s --retries=60 CMD [ -e /run/swarm-vip/heartbeat ]
ENTRYPOINT ["/bin/sh", "/opt/swarm-vip/init.sh"]
ARG VERSION=0.0.0
ARG SOURCE=
LABEL org.opencontainers.image.title="swarm-vip agent" \
  org.opencontainers.image.description="Holds virtual IP addresses on a Docker Swarm node by VRRP" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.source="${SOURCE}" \
  org.opencontainers.image.licenses="Apache-2.0"
