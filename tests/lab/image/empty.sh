#!/bin/sh
# Writes a repository of empty packages into a folder, and the line for apt's sources to standard output: for what other
# packages ask for and no lab host uses. Debian's own would be a third of all that is unpacked.
#   empty.sh FOLDER
set -eu

# The drivers of a screen with the compiler behind them; elements of GStreamer that ask for a whole desktop; languages'
# names; what merges /usr, with all of Perl, where it is merged from the start.
for name in libglx-mesa0 gstreamer1.0-plugins-bad iso-codes usrmerge; do
  control="$1/$name/DEBIAN/control"
  mkdir -p "$(dirname "$control")"
  printf '%s\n' "Package: $name" 'Version: 999' 'Architecture: all' 'Multi-Arch: foreign' \
    'Maintainer: Lab <lab@example.com>' 'Description: stands for what no lab host uses' > "$control"
  dpkg-deb --build --root-owner-group "$1/$name" "$1/$name.deb" >/dev/null
  cat "$control"
  printf '%s\n' "Filename: ./$name.deb" "Size: $(stat -c %s "$1/$name.deb")" "SHA256: $(sha256sum "$1/$name.deb" | cut -d ' ' -f 1)" ''
done > "$1/Packages"
printf 'deb [trusted=yes] copy:%s ./\n' "$1"
