#!/bin/sh
# What a new user does first, with the program that PATH has: journey.sh EXAMPLE. Nothing of the checkout is here but a
# copy of the example; all that is written lies in a folder of its own, which is removed at the end.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME="$work/home" PROVISIONER_STATE="$work/state" XDG_CACHE_HOME="$work/cache" TMPDIR="$work"
mkdir "$HOME"
printf '[user]\n\tname = P\n\temail = p@example.com\n' >"$HOME/.gitconfig"

provisioner --version

cp -R "$1" "$work/example"
chmod -R u+w "$work/example"
mv "$work/example/.vault-password" "$HOME/vault-password"
export ANSIBLE_VAULT_PASSWORD_FILE="$HOME/vault-password"
provisioner -i "$work/example" validate
provisioner -i "$work/example" render --out "$work/rendered"
ls "$work"/rendered/*/etc/provisioner/mediamtx.yml "$work"/rendered/*/usr/local/lib/provisioner/provisioner-host

git -C "$work/example" init --quiet --initial-branch=main
git -C "$work/example" add --all
git -C "$work/example" commit --quiet --message first
sed -i 's,guCtGJKMhzxI6Tm5Zrs0FIx3yJMuBJfGSg1QUZFBDPU=,HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=,' \
	"$work/example/facilities/bac-giang/kcl-bg-001.yml"
provisioner -i "$work/example" plan --offline --against main --details --allow trust=1

provisioner init "$work/first" --carrier viettel=Viettel --province bac-ninh --source 'Annex 1' --user deploy \
	--management 198.51.100.0/27 --centre centre-hn@203.0.113.31 --relay relay-1@203.0.113.11 \
	--host-key 'centre-hn=ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILLxxTLNWIvTOqfEHsYPptl1mrfK9Gmz7ymtR1zfHdv5' \
	--host-key 'relay-1=ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFmpfCFrQd8eV0TDJQR7IXpTvAkybmvA/FpUVmrfF2mI'

# The programs that a command starts by itself lie beside the one that PATH has.
home=$(dirname "$(readlink -f "$(command -v provisioner)")")
"$home/ansible-playbook" --version >"$work/version"
head -n 1 "$work/version"
"$home/python3" -c 'import psycopg; print("psycopg", psycopg.pq.__impl__)'
