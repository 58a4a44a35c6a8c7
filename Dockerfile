# The service in a container that does not run as root:  docker build -t maskdetect . && docker run --rm -p 127.0.0.1:8000:8000 maskdetect
FROM python:3.13-slim AS build
ARG EXTRAS=serve
WORKDIR /src
COPY . .
RUN python -m venv /opt/maskdetect && /opt/maskdetect/bin/pip install --no-cache-dir ".[${EXTRAS}]"

FROM python:3.13-slim
# what OpenCV wants of the system
RUN apt-get update && apt-get install -y --no-install-recommends libgl1 libglib2.0-0 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/maskdetect /opt/maskdetect
ENV PATH=/opt/maskdetect/bin:$PATH MASKDETECT_CACHE=/opt/maskdetect/cache PYTHONDONTWRITEBYTECODE=1
RUN useradd --system --uid 10001 --no-create-home maskdetect
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "from urllib.request import ProxyHandler, build_opener; build_opener(ProxyHandler({})).open('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["maskdetect", "serve", "--host", "0.0.0.0"]
