"""How fast an apply is at 2, 8 and 20 hosts, beside an ordinary Ansible role and pyinfra on the same hosts."""
