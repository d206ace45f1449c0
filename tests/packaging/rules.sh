#!/bin/sh
# A site's own rule, with the program that PATH has: rules.sh EXAMPLE. It is tested, and it refuses a plan.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME="$work/home" PROVISIONER_STATE="$work/state" XDG_CACHE_HOME="$work/cache" TMPDIR="$work"
mkdir "$HOME"
printf '[user]\n\tname = P\n\temail = p@example.com\n' >"$HOME/.gitconfig"
cp -R "$1" "$work/example"
chmod -R u+w "$work/example"
mv "$work/example/.vault-password" "$HOME/vault-password"
export ANSIBLE_VAULT_PASSWORD_FILE="$HOME/vault-password"
git -C "$work/example" init --quiet --initial-branch=main
git -C "$work/example" add --all
git -C "$work/example" commit --quiet --message first

mkdir -p "$work/example/policy"
cat >"$work/example/policy/never.rego" <<'RULE'
package provisioner.never

import rego.v1

deny contains {"message": message, "hint": "ask the head of the NOC"} if {
	some province in input.provinces
	message := sprintf("%s is closed", [province.id])
}
RULE
cat >"$work/example/policy/never_test.rego" <<'TEST'
package provisioner.never

import rego.v1

test_it_holds if {
	count(deny) == 1 with input as {"provinces": [{"id": "bac-giang", "facilities": 1}]}
}

test_nothing_to_change_is_let_through if {
	count(deny) == 0 with input as {"provinces": []}
}
TEST
provisioner -i "$work/example" policy test
sed -i 's,guCtGJKMhzxI6Tm5Zrs0FIx3yJMuBJfGSg1QUZFBDPU=,HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=,' \
	"$work/example/facilities/bac-giang/kcl-bg-001.yml"
ended=0
provisioner -i "$work/example" plan --offline --against main --details --allow trust=1 2>&1 || ended=$?
echo "the plan ended with $ended"
