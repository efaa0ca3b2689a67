# The coordinator: reads Swarm, plans, and tells the agents. Runs on managers. Holds the command line as well.
# Builds with the classic builder and with BuildKit; any Debian-based image with Node 20 or later serves as base.
ARG BASE_IMAGE=node:24-bookworm-slim

# The same steps as in the agent's file, so that the two share their layers.
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
COPY --from=build /src/dist/coordinator.js /src/dist/coordinator.js.map \
  /src/dist/swarm-vip.js /src/dist/swarm-vip.js.map /opt/swarm-vip/
COPY --from=build /src/dist/page /opt/swarm-vip/page
# Node resolves the bundles as modules by the nearest package.json.
RUN echo '{"type":"module"}' >/opt/swarm-vip/package.json \
  && printf '#!/bin/sh\nexec node /opt/swarm-vip/swarm-vip.js "$@"\n' >/usr/local/bin/swarm-vip \
  && chmod 755 /usr/local/bin/swarm-vip
ENV NODE_ENV=production
# Swarm calls a task running after its first good check, which comes one interval after the start: a longer interval
# would add itself to every deploy and to every step of an update. On a machine that is overloaded a check takes its time:
# by the default patience Swarm killed coordinators there that only wanted their turn.
HEALTHCHECK --interval=5s --timeout=20s --start-period=30s --retries=3 CMD ["swarm-vip", "ping"]
ENTRYPOINT ["node", "/opt/swarm-vip/coordinator.js"]
ARG VERSION=0.0.0
ARG SOURCE=
LABEL org.opencontainers.image.title="swarm-vip coordinator" \
  org.opencontainers.image.description="Plans which Docker Swarm node holds which virtual IP address" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.source="${SOURCE}" \
  org.opencontainers.image.licenses="Apache-2.0"
