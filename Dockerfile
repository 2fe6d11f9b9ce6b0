# rag-api with its embedder, worker and Chroma in one container; `rag serve` is process 1 and ends them in order.
#
#   docker build --build-arg TORCH_INDEX=<URL of PyTorch's index of CPU wheels> -t rag-api .
#   docker run -e RAG_ADMIN_KEY=… -v rag-data:/data -p 127.0.0.1:8000:8000 rag-api
#
# RAG_ADMIN_KEY must be set: the service listens on all addresses of the container, and refuses to do so without a key.
FROM python:3.11.14-slim-bookworm

# Without it, pip installs the GPU build of torch, which works as well and is 3 GB larger.
ARG TORCH_INDEX=""
ARG TORCH="torch==2.13.0"

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1

# Recognises scans and pictures with -e RAG_INGEST__OCR=true, in English; tesseract-ocr-deu and its like add languages.
RUN apt-get update \
    && apt-get install -y --no-install-recommends tesseract-ocr \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /app

RUN pip install ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} "$TORCH"

COPY requirements.lock ./
RUN pip install --no-deps --require-hashes -r requirements.lock

# Installed as it lies here, so that the prompt templates are found beside the packages.
COPY pyproject.toml README.md LICENSE ./
COPY ingest ./ingest
COPY rag_api ./rag_api
COPY prompts ./prompts
RUN pip install --no-deps -e . && python -m compileall -q ingest rag_api

RUN useradd --system --create-home --uid 10001 rag && install -d -m 0700 -o rag -g rag /data
USER rag

# Models other than the default are downloaded from the hub into HF_HOME.
ENV RAG_HOME=/data \
    HF_HOME=/data/huggingface
VOLUME /data
EXPOSE 8000

HEALTHCHECK --interval=15s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=4)"]

CMD ["rag", "serve", "--host", "0.0.0.0"]
