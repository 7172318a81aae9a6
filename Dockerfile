# The gateway over AWS: docker run -p 8000:8000 -e AWS_REGION -e AWS_ACCESS_KEY_ID -e AWS_SECRET_ACCESS_KEY \
#     -e GATEWAY_AUTH=api-key -e GATEWAY_API_KEYS chime-gateway
# Make a key, and its hash for GATEWAY_API_KEYS: docker run chime-gateway api-key
# Serve sample data to anyone, without AWS: docker run -p 8000:8000 \
#     -e GATEWAY_ALLOW_UNAUTHENTICATED=true chime-gateway dev --host 0.0.0.0

# Say in its labels what the image was built from. A build cannot see the repository, so without these arguments
# both are "unknown": docker build --build-arg SOURCE=URL --build-arg REVISION=$(git rev-parse HEAD) .

# Raise these releases together with the locks. A tag names a release, but not its bytes: publishers build it again with
# fixes of Debian's packages, and a rebuild of the image takes them over. If you need the same bytes each time, append
# the digest that `docker buildx imagetools inspect python:TAG` prints, as in python:TAG@sha256:DIGEST.
FROM node:24.11.1-bookworm-slim AS page
WORKDIR /page
COPY gateway/graphiql/package.json gateway/graphiql/package-lock.json gateway/graphiql/.npmrc ./
RUN npm ci
COPY gateway/graphiql ./
RUN npm run build

# The newest Python for which every package of requirements.lock has wheels: orjson has none for 3.15. A query takes
# 6 to 16 % less CPU than on 3.11, both built by Debian.
FROM python:3.14.10-slim-trixie AS build
WORKDIR /app
RUN python3 -m venv venv
# Dependencies come before code, so that a change of the code does not rebuild this layer.
COPY requirements.lock ./
RUN venv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY gateway gateway
COPY --from=page /page/dist gateway/graphiql/dist
RUN venv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation .
# Remove the packages that are only needed to build.
RUN venv/bin/pip uninstall --quiet --yes hatchling pathspec pluggy trove-classifiers setuptools pip

FROM python:3.14.10-slim-trixie
WORKDIR /app
COPY --from=build /app/venv venv
COPY deploy/health-check ./
# The gateway writes no files at run time, so a read-only root file system works.
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A number, so that Kubernetes' runAsNonRoot can check it.
USER 65532:65532
EXPOSE 8000
# On SIGTERM, requests in flight have 20 s to finish.
STOPSIGNAL SIGTERM
# It follows --port, PORT and GATEWAY_ADMIN_PORT.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/app/health-check"]
ENTRYPOINT ["/app/venv/bin/chime-gateway"]
# Listen beyond the container. Without authentication, the gateway does not start, and names the settings to use.
CMD ["serve", "--host", "0.0.0.0"]

# https://specs.opencontainers.org/image-spec/annotations/. They are last, because a new revision needs no new layer.
ARG SOURCE=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="chime-gateway" \
      org.opencontainers.image.description="An async GraphQL gateway in front of Amazon Chime's phone number and phone number order lists, with a local emulator of both" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="docker.io/library/python:3.14.10-slim-trixie"
