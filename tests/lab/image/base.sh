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

empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
source=$(sh "$here/empty.sh" "$empty")
packages=$(grep -v '^#' "$here/packages.txt" | paste -sd, -)
# Several hundred packages, one after the other, take as long to ask for as to unpack: eight are asked for at a time.
fetch='export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"; cd "$1/var/cache/apt/archives" &&
  apt-get install --simulate -qq $(echo "'$packages'" | tr , " ") | awk "\$1 == \"Inst\" { print \$2 }" |
  xargs -r -n 45 -P 8 apt-get download -qq -o APT::Sandbox::User=root'
mmdebstrap --variant=minbase --format=tar --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
  --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
  --setup-hook='mkdir -p "$1/etc/dpkg/dpkg.cfg.d"' --setup-hook="cp '$here/dpkg-excludes' \"\$1/etc/dpkg/dpkg.cfg.d/lab-excludes\"" \
  --setup-hook="echo '$source' > \"\$1/etc/apt/sources.list.d/empty.list\"" \
  --essential-hook="$fetch" --include="$packages" \
  --customize-hook="cp '$here/customise.sh' \"\$1/root/customise.sh\"" \
  --customize-hook='chroot "$1" sh /root/customise.sh' \
  --customize-hook='rm "$1/root/customise.sh" "$1/etc/apt/sources.list.d/empty.list"' \
  "${1:-bookworm}" -
