# Three stages: what builds stays behind. The image holds no secret; see docs/deployment/containers.md for what it needs to run.
# The base is named by minor version, so that a build takes its latest security fixes; to pin it:
# --build-arg BASE=python:3.13-slim-trixie@sha256:...
ARG BASE=python:3.13-slim-trixie

FROM ${BASE} AS build
WORKDIR /app
COPY requirements/base.txt requirements/base.txt
# Nothing is compiled: the base has no compiler. A configuration of pip (an index of one's own, its authority) is shown to
# these commands alone: docker build --secret id=pip.conf,src=... --secret id=ca.pem,src=... (as /run/secrets/ca.pem).
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=ca.pem \
    python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/base.txt \
 && /venv/bin/pip uninstall --quiet --yes pip
COPY manage.py ./
COPY settings settings
COPY internal_api internal_api
COPY accounts accounts
COPY repositories repositories
COPY git_http git_http
COPY kubernetes_agent kubernetes_agent
COPY scim scim
COPY storage_limits storage_limits
RUN VAR_DIR=/tmp/build STATIC_ROOT=/app/static /venv/bin/python manage.py collectstatic --noinput \
 && /venv/bin/python -m compileall -q .

# What is inside, as CycloneDX, for whoever looks for vulnerabilities.
FROM ${BASE} AS sbom
COPY requirements/sbom.txt /sbom.txt
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=ca.pem \
    python -m venv /sbom \
 && /sbom/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: -r /sbom.txt
COPY --from=build /venv /venv
RUN /sbom/bin/cyclonedx-py environment --output-reproducible --output-format JSON --output-file /sbom.cdx.json /venv

FROM ${BASE}
RUN useradd --system --uid 10001 --home-dir /var/lib/control-plane --create-home control-plane
COPY --from=build /venv /venv
COPY --from=build /app /app
COPY --from=sbom /sbom.cdx.json /app/sbom.cdx.json
WORKDIR /app
USER control-plane
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    VAR_DIR=/var/lib/control-plane \
    STATIC_ROOT=/app/static \
    REQUIRE_SECRETS=true \
    BIND=0.0.0.0:3001
VOLUME /var/lib/control-plane
EXPOSE 3001
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen(r.Request('http://127.0.0.1:3001/livez', headers={'Host': 'localhost'}), timeout=2)"]
CMD ["gunicorn", "-c", "settings/gunicorn.py", "settings.wsgi"]
