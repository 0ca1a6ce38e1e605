# orion-agent: the binary and the libraries that it names, nothing else: no shell, no packages, no base image to fetch.
# scripts/agent-image.sh puts together what it is made of, and builds it.
FROM scratch
COPY --chown=1000:1000 . /
# all that it writes lies here, so that --read-only works; a new token in etc/config.json is picked up without a restart
ENV ORION_DIR=/var/lib/orion
VOLUME /var/lib/orion
USER 1000:1000
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/orion"]
CMD ["agent"]
