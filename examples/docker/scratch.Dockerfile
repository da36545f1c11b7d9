# Only solobot, for `COPY --from=solobot:latest /solobot /usr/local/bin/solobot` in other Dockerfiles.
# `bash release.sh` makes the binary. Then:
#   docker build -f examples/docker/scratch.Dockerfile -t solobot target/release-out
FROM scratch
COPY solobot /solobot
ENTRYPOINT ["/solobot"]
CMD ["help"]
