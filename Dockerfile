# orion-agent: the binary and the libraries that it names, nothing else: no shell, no packages, no base image to fetch.
# Built by scripts/agent-image.sh, which puts together what is copied here; docs/containers.md says how to run it.
FROM scratch
COPY rootfs /
# all that it writes lies here, so that --read-only works; a new token in etc/config.json is picked up without a restart
COPY --chown=1000:1000 state /var/lib/orion
ENV ORION_DIR=/var/lib/orion
VOLUME /var/lib/orion
USER 1000:1000
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/orion"]
CMD ["agent"]
