# The gateway over AWS: docker run -p 8000:8000 -e AWS_REGION -e AWS_ACCESS_KEY_ID -e AWS_SECRET_ACCESS_KEY \
#     -e GATEWAY_AUTH=api-key -e GATEWAY_API_KEYS chime-gateway
# Make a key, and its hash for GATEWAY_API_KEYS: docker run chime-gateway api-key
# Serve sample data to anyone, without AWS: docker run -p 8000:8000 \
#     -e GATEWAY_ALLOW_UNAUTHENTICATED=true chime-gateway dev --host 0.0.0.0

# Exact releases, so that one commit builds one image. Raise them together with the locks.
FROM node:24.11.1-bookworm-slim AS page
WORKDIR /page
COPY gateway/graphiql/package.json gateway/graphiql/package-lock.json gateway/graphiql/.npmrc ./
RUN npm ci
COPY gateway/graphiql ./
RUN npm run build

FROM python:3.11.14-slim-bookworm AS build
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

FROM python:3.11.14-slim-bookworm
WORKDIR /app
COPY --from=build /app/venv venv
# The gateway writes no files at run time, so a read-only root file system works.
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A number, so that Kubernetes' runAsNonRoot can check it.
USER 65532:65532
EXPOSE 8000
# On SIGTERM, requests in flight have 20 s to finish.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/app/venv/bin/python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=2)"]
ENTRYPOINT ["/app/venv/bin/chime-gateway"]
# Listen beyond the container. Without authentication, the gateway does not start, and names the settings to use.
CMD ["serve", "--host", "0.0.0.0"]
