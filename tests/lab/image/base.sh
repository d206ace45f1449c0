#!/bin/sh
# Writes the base system as a tar stream, made from Debian's packages alone: for machines that cannot pull images.
#   base.sh [SUITE]
set -eu
here=$(dirname "$0")

# In memory it takes a quarter less time, where there is much of it and its folder takes device nodes and programs.
memory=/dev/shm
case ",$(findmnt -no OPTIONS "$memory" 2>/dev/null || echo nodev)," in
*,nodev,* | *,noexec,*) ;;
*) [ "$(df -Pk "$memory" | awk 'NR == 2 { print $4 }')" -lt 8388608 ] || export TMPDIR="$memory" ;;
esac

exec mmdebstrap --variant=minbase --format=tar \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
  --setup-hook='mkdir -p "$1/etc/dpkg/dpkg.cfg.d"' --setup-hook="cp '$here/dpkg-excludes' \"\$1/etc/dpkg/dpkg.cfg.d/lab-excludes\"" \
  --include="$(grep -v '^#' "$here/packages.txt" | paste -sd, -)" \
  --customize-hook="cp '$here/customise.sh' \"\$1/root/customise.sh\"" \
  --customize-hook='chroot "$1" sh /root/customise.sh' \
  --customize-hook='rm "$1/root/customise.sh"' \
  "${1:-bookworm}" -
