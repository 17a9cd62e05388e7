# Two stages: build with the Swift toolchain, run on slim Debian as a user of its own.
FROM swift:6.3-bookworm AS build
WORKDIR /jobctl
COPY . .
RUN ops/install-packages build && swift build -c release --product jobctl --static-swift-stdlib

FROM debian:12-slim
COPY ops/install-packages /tmp/install-packages
RUN /tmp/install-packages run && rm -rf /tmp/install-packages /var/lib/apt/lists/* \
  && useradd --create-home --shell /usr/sbin/nologin jobctl
COPY --from=build /jobctl/.build/release/jobctl /usr/local/bin/jobctl
RUN install -d -o jobctl -g jobctl -m 700 /var/lib/jobctl-checkpoints
USER jobctl
# Checkpoints outlive the container; data sets are mounted read-only.
VOLUME ["/var/lib/jobctl-checkpoints", "/data"]
ENV JOBCTL_DATA=/data
ENTRYPOINT ["jobctl"]
CMD ["worker", "--checkpoints", "/var/lib/jobctl-checkpoints"]
