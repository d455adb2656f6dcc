# syntax=docker/dockerfile:1

# The board and GraphiQL, built into files that load nothing from other hosts.
FROM node:22-slim AS web
WORKDIR /source/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci
COPY schema.graphql ../
COPY clients/typescript/src ../clients/typescript/src
COPY web/ ./
RUN npm run build


FROM python:3.13-slim AS dependencies
RUN pip install --no-cache-dir uv
WORKDIR /app
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
COPY requirements.txt ./
RUN uv venv && uv pip install --no-cache --require-hashes -r requirements.txt


FROM python:3.13-slim
# A named volume gets the owner of the folder where it is mounted.
RUN useradd --system --uid 10001 --no-create-home --home-dir /app --shell /usr/sbin/nologin taxirank \
    && install --directory --owner=taxirank /data /data/media /data/mail
WORKDIR /app
COPY --from=dependencies /app/.venv .venv
COPY server.py ./
COPY admin admin
COPY application application
COPY gateway gateway
COPY migrations migrations
COPY models models
COPY schema schema
COPY services services
COPY simulation simulation
COPY --from=web /source/web/dist web/dist
RUN python -m compileall -q server.py admin application gateway migrations models schema services simulation

ENV PATH=/app/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TAXIRANK_HOST=0.0.0.0 \
    TAXIRANK_PORT=8000 \
    TAXIRANK_DATABASE_URL=sqlite:///data/taxirank.sqlite3 \
    TAXIRANK_MEDIA_URL=/data/media \
    TAXIRANK_MAIL_FOLDER=/data/mail \
    TAXIRANK_LOG_FORMAT=json

USER taxirank
EXPOSE 8000
# The server stops accepting connections, finishes requests within TAXIRANK_SHUTDOWN_TIMEOUT_S, and closes the sockets.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]

ENTRYPOINT ["python", "server.py"]
CMD ["serve"]
