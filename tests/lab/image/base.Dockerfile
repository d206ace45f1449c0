# The base system where images can be pulled; base.sh makes the same one where they cannot.
ARG TAG=12-slim
FROM debian:${TAG}
COPY dpkg-excludes /etc/dpkg/dpkg.cfg.d/lab-excludes
COPY packages.txt customise.sh empty.sh /root/
RUN mkdir /tmp/empty && sh /root/empty.sh /tmp/empty > /etc/apt/sources.list.d/empty.list \
 && apt-get update \
 && grep -v '^#' /root/packages.txt | DEBIAN_FRONTEND=noninteractive xargs apt-get install -y --no-install-recommends \
 && sh /root/customise.sh \
 && rm -r /root/packages.txt /root/customise.sh /root/empty.sh /tmp/empty /etc/apt/sources.list.d/empty.list
