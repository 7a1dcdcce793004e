# Builds with BuildKit and with the classic builder of Debian's docker.io.
# Any base with Python 3.11 or later, its venv module and CA certificates will do.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
RUN python3 -m venv /build && python3 -m venv --without-pip /opt/ferryman
WORKDIR /src
COPY requirements/run.txt requirements/build.txt requirements/
RUN /build/bin/pip install --no-cache-dir --require-hashes --requirement requirements/build.txt \
    && /build/bin/pip --python /opt/ferryman/bin/python3 install --no-cache-dir --require-hashes --requirement requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY ferryman/ ferryman/
COPY migrations/ migrations/
RUN /build/bin/pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir /dist . \
    && /build/bin/pip --python /opt/ferryman/bin/python3 install --no-cache-dir --no-deps /dist/*.whl

FROM ${BASE}
# Group 0 may write to /data too, for platforms that choose the user's number themselves.
RUN useradd --system --uid 10001 --home-dir /data --no-create-home ferryman \
    && install --directory --owner=ferryman --group=0 --mode=775 /data
COPY --from=build /opt/ferryman /opt/ferryman
COPY docker-entrypoint.sh /usr/local/bin/ferryman
# FERRYMAN_DATABASE_URL's default is in the entrypoint: here it would stand beside FERRYMAN_DATABASE_URL_FILE.
ENV HOME=/data \
    FERRYMAN_ITEMS=/etc/ferryman/items.yml
VOLUME /data
WORKDIR /data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["ferryman", "health"]
ENTRYPOINT ["ferryman"]
CMD ["run"]
