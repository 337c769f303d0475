# Not built where it was written, which has no container engine: its steps are those of `make` and of check.yml.
FROM python:3.12-bookworm AS programs
RUN apt-get update \
  && apt-get install --yes --no-install-recommends \
    ffmpeg chromium chromium-driver unar libarchive-tools p7zip-full \
  && rm -rf /var/lib/apt/lists/*

FROM programs
WORKDIR /ucf11
COPY . .
RUN make .venv/.installed
EXPOSE 8888
CMD [".venv/bin/jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--allow-root", "notebooks"]
