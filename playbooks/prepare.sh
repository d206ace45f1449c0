# A host on which nothing of ours runs yet, Python may be: what it is, and what is done there to make it ready.
#
# The controller feeds this to /bin/sh over standard input, behind lines that set what it wants (see
# provisioner/hosts/bare_host.py). The answer is one line of words and hexadecimal digits. Nothing of this stays on
# the host.

unset CDPATH ENV IFS
umask 022
export PATH LC_ALL=C

said=

# tell NAME VALUE: add to the answer. A value is cut where it is longer than anything that is meant.
tell() {
  said="$said$1 $(digits_of "$2");"
}

digits_of() { printf '%s' "$1" | head -c 4096 | od -An -v -tx1 | tr -d ' \n'; }

answer() {
  printf '\nPROVISIONER-ANSWER {"ok": true, "answer": {"said": "%s"}}\n' "$said"
}

has() { command -v "$1" >/dev/null 2>&1; }

yes_if() { if "$@" >/dev/null 2>&1; then echo yes; else echo no; fi; }

# --- what it is -----------------------------------------------------------------------------------------------------

of_release() {
  sed -n "s/^$1=//p" "$root/etc/os-release" 2>/dev/null | tail -n 1 | tr -d "\"'"
}

look() {
  tell id "$(of_release ID)"
  tell like "$(of_release ID_LIKE)"
  tell version "$(of_release VERSION_ID)"
  tell arch "$(uname -m)"
  tell systemd "$(yes_if test -d "$root/run/systemd/system")"
  tell peer "${peer%% *}"
  look_at_packages
  look_at_owner
  look_at_user
  look_at_sshd
}

look_at_packages() {
  missing=
  for program in $programs; do has "$program" || missing="$missing $program"; done
  # The smallest Python of a system lacks modules that our program needs.
  python=$("$root/usr/bin/python3" -I -S -c '
import ctypes, hashlib, hmac, ipaddress, json, selectors, subprocess, sys, tarfile
print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
  [ -n "$python" ] || missing="$missing python3"
  wireguard=no
  if [ -d "$root/sys/module/wireguard" ] || { has modprobe && modprobe -n -q wireguard; }; then wireguard=yes; fi
  [ "$wireguard" = yes ] || has wireguard-go || missing="$missing wireguard-go"
  # A package that was removed may leave its socket behind until the next boot.
  if [ ! -e "$root/run/dbus/system_bus_socket" ] || ! { has dbus-daemon || has dbus-broker-launch; }; then
    missing="$missing dbus"
  fi
  lacking=
  if has ffmpeg; then
    decoders=$(ffmpeg -hide_banner -loglevel error -decoders 2>/dev/null </dev/null)
    if [ -n "$decoders" ]; then
      for decoder in h264 hevc; do
        printf '%s\n' "$decoders" | grep -q "^ V[F.][S.][X.][B.][D.] $decoder " || lacking=ffmpeg-decoders
      done
      missing="$missing $lacking"
    fi
  fi
  tell python "$python"
  tell missing "$missing"
  tell half "$(if has dpkg; then dpkg --audit 2>/dev/null | grep -c '^ '; fi)"
  tell fusion "$(if has rpm; then yes_if rpm -q rpmfusion-free-release; fi)"
}

# Whose the host is, as its door says it (playbooks/provisioner_host/bundle.py): the mark, `unmarked`, or `nothing`.
# A centre that several inventories share has a folder for each; it is had so by all, or by one alone.
owner_text() {
  if mark_of "$ours"; then return; fi
  if [ "$ours" != provisioner ]; then
    if mark_of provisioner 'alone '; then return; fi
  else
    for folder in "$root"/var/lib/provisioner.*; do
      if mark_of "${folder##*/}" 'shared '; then return; fi
    done
  fi
  printf nothing
}

# mark_of NAME [SHAPE]: the mark in the folders of a name, whose word stands before it; false where nothing lies there.
mark_of() {
  for path in "/var/lib/$1/owner.json" "/etc/$1/keys/identity" "/var/lib/$1/manifest.json"; do
    if [ -e "$root$path" ] || [ -L "$root$path" ]; then
      mark=$(head -c 4096 "$root/var/lib/$1/owner.json" 2>/dev/null | tr -s '[:space:]' ' ')
      mark=${mark# }
      printf '%s%s' "${2-}" "${mark:-unmarked}"
      return 0
    fi
  done
  return 1
}

look_at_owner() {
  tell owner "$(owner_text)"
  identity=no
  if [ -s "$root/etc/$ours/keys/identity" ] && [ -x "$root$host_program" ]; then identity=yes; fi
  tell identity "$identity"
}

look_at_user() {
  entry=$(getent passwd "$user" 2>/dev/null | head -n 1)
  tell user "$entry"
  kept=
  home=$(printf '%s' "$entry" | cut -d: -f6)
  case $entry in
    *:*:0:*) ;; # root is nobody to log in as; the controller says so
    *:*) kept=$(as_user 'grep -v "^[[:space:]]*#" "$1/.ssh/authorized_keys"' "$home" 2>/dev/null) ;;
  esac
  known=
  for key in $keys; do
    if printf '%s\n' "$kept" | grep -qF -- "${key#*=}"; then known="$known $key"; fi
  done
  tell keys "$known"
  tell rule "$(head -c 4096 "$root$rule_file" 2>/dev/null)"
  allowed=
  if has sudo && [ -n "$entry" ]; then
    allowed=$(sudo -n -l -U "$user" 2>/dev/null </dev/null | sed -n 's/^ \{1,\}\((.*\)/\1/p' | tail -n 40)
  fi
  tell allowed "$allowed"
}

# A shell that has the rights of the user: what lies in a home is that user's, links included.
as_user() {
  script=$1
  shift
  runuser -u "$user" -- /bin/sh -c "$script" sh "$@" </dev/null
}

look_at_sshd() {
  asked="user=$user,host=${peer%% *},addr=${peer%% *}"
  settings=$(sshd -T -C "$asked" 2>/dev/null </dev/null || sshd -T 2>/dev/null </dev/null)
  tell sshd "$(printf '%s\n' "$settings" | grep -E "^($sshd_settings) " | head -n 40)"
}

# --- what is done ---------------------------------------------------------------------------------------------------

# step NAME COMMAND...: do it once all before it is done; where it fails, tell what was said at last.
step() {
  [ -z "$failed" ] || return 0
  name=$1
  shift
  if "$@" >"$work/said" 2>&1 </dev/null 9<&-; then return 0; fi
  failed=$name
  tell failed "$name"
  tell complaint "$(tail -n 12 "$work/said" | tail -c 1500)"
}

make() {
  # A connection that ends ends nothing that was begun: packages are not left half installed.
  trap '' HUP PIPE
  failed=
  # Whoever prepares at the same time is waited for by nobody: the same command goes on later.
  if has flock && [ -d "$root/etc/ssh" ]; then
    exec 9<"$root/etc/ssh"
    if ! flock -n 9; then tell failed lock; return; fi
  fi
  if [ "$(digits_of "$(owner_text)")" != "$owner" ]; then tell failed owner; return; fi
  work=$(mktemp -d "$root/tmp/provisioner-prepare.XXXXXX") || { tell failed room; return; }
  [ -z "$packages" ] || step packages "install_$installer"
  case " $starts " in *" dbus "*) step bus start_bus ;; esac
  [ "$creates" = no ] || step user create_user
  [ -z "$adds" ] || step key add_keys
  [ -z "$rule" ] || step sudo write_rule
  rm -rf "$work"
}

install_apt() {
  export DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l
  set -- -y -q -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold
  # What an earlier installation left half done keeps the next one from beginning.
  dpkg --force-confold --configure -a || return 1
  # Of several sources one may be out of reach: whether the packages can be had, the installation says.
  apt-get "$@" update || true
  # shellcheck disable=SC2086 # words of the controller, one a package
  apt-get "$@" --no-install-recommends --no-remove install $packages
}

install_dnf() {
  # shellcheck disable=SC2086 # the same
  dnf install -y -q --setopt=install_weak_deps=False $packages
}

start_bus() {
  systemctl daemon-reload
  systemctl is-active --quiet dbus.service || systemctl restart dbus.socket
}

create_user() {
  # No password opens it: `*` is the hash of none. Its own group, a home, a plain shell.
  useradd --create-home --user-group --shell /bin/sh --password '*' "$user"
}

add_keys() {
  home=$(getent passwd "$user" | cut -d: -f6)
  as_user '
    umask 077
    home=$1
    shift
    mkdir -p "$home/.ssh" || exit 1
    file=$home/.ssh/authorized_keys
    # A last line without an end would swallow the next one.
    if [ -s "$file" ] && [ -n "$(tail -c 1 "$file")" ]; then printf "\n" >>"$file" || exit 1; fi
    for key in "$@"; do printf "%s %s\n" "${key%%=*}" "${key#*=}" >>"$file" || exit 1; done
  ' "$home" $adds || return 1
  if has restorecon; then restorecon -R "$home/.ssh" || true; fi
}

# The rule is held against sudo's grammar beside the others: a file that it cannot read would shut everybody out. A name
# with a dot is read by nobody.
write_rule() {
  file=$root$rule_file
  mkdir -p -m 0750 "${file%/*}" || return 1
  printf '%s\n' "$rule" >"$file.new" || return 1
  chmod 0440 "$file.new" || return 1
  if ! visudo -cf "$file.new"; then
    rm -f "$file.new"
    return 1
  fi
  if has restorecon; then restorecon "$file.new" || true; fi
  mv -f "$file.new" "$file"
}

# --- what the user of provisioner's own can do there ----------------------------------------------------------------

prove() {
  tell login "$(id -un)"
  may=no
  if [ -x "$root/usr/bin/sudo" ]; then
    may=$(yes_if "$root/usr/bin/sudo" -n -l "$root$host_program" prove </dev/null)
    [ "$(yes_if "$root/usr/bin/sudo" -n true </dev/null)" = no ] || may=all
  fi
  tell may "$may"
}

# Read as a whole before it runs.
{
  case $mode in
    look) look ;;
    make) make; look ;;
    prove) prove ;;
  esac
  answer
  exit 0
} </dev/null
