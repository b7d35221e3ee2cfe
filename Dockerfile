# Two stages: what builds stays behind. The image holds no secret; see docs/deployment/containers.md for what it needs to run.
FROM python:3.12-slim-bookworm AS build
WORKDIR /app
COPY requirements/base.txt requirements/base.txt
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/base.txt
COPY manage.py ./
COPY settings settings
COPY internal_api internal_api
COPY accounts accounts
COPY repositories repositories
COPY kubernetes_agent kubernetes_agent
COPY scim scim
COPY storage_limits storage_limits
RUN VAR_DIR=/tmp/build STATIC_ROOT=/app/static /venv/bin/python manage.py collectstatic --noinput \
 && /venv/bin/python -m compileall -q manage.py settings internal_api accounts repositories kubernetes_agent scim storage_limits

FROM python:3.12-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/control-plane --create-home control-plane
COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
USER control-plane
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    VAR_DIR=/var/lib/control-plane \
    STATIC_ROOT=/app/static \
    REQUIRE_SECRETS=true \
    BIND=0.0.0.0:3001
VOLUME /var/lib/control-plane
EXPOSE 3001
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen(r.Request('http://127.0.0.1:3001/livez', headers={'Host': 'localhost'}), timeout=2)"]
CMD ["gunicorn", "-c", "settings/gunicorn.py", "settings.wsgi"]
