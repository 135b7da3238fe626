#!/usr/bin/env bash
# Keeps containers away from the cloud's metadata service and from the host itself.
#
# usage: firewall.sh up|down|status
#   up       sets the rules; those that are there already are replaced at one stroke
#   down     takes them away
#   status   fails where they are not all there
#
# What comes from a container, that is from docker0 or a bridge that Docker has made (br-…):
#   - reaches nothing at 169.254.0.0/16 and fd00:ec2::/32: there a cloud gives its machines their
#     identity, and addresses of that kind mean the host itself elsewhere;
#   - reaches nothing at what CONTAINERLEASE_FIREWALL_DENY lists;
#   - opens no connection to the host, and so none to the engine's port. Answers pass.
# What comes from a bridge that is named clc-… opens no connection at all: it is the network of leases
# that were asked for with no way out.
# Connections through the host, and to ports that it publishes, are Docker's to judge.
#
# The first two rules stand in the table raw, before Docker's own: what is dropped there has not yet
# been translated or routed, so it makes no difference whether the address is the host's or lies
# behind it, and Docker, which makes its chains anew when it starts, never touches them. For the same
# reason they can be set before Docker starts, and a container never runs without them.
#
# environment, also read from /etc/containerlease/firewall.env by the unit:
#   CONTAINERLEASE_FIREWALL_DENY   more networks, separated by spaces, such as "10.0.0.0/8 fd12::/16"
set -euo pipefail

readonly CHAIN=CONTAINERLEASE
readonly CLOSED=clc-+
readonly BRIDGES=(docker0 br-+ "$CLOSED")
readonly DENY_IPV4=(169.254.0.0/16)
readonly DENY_IPV6=(fd00:ec2::/32)

fail() {
  printf 'firewall.sh: %s\n' "$*" >&2
  exit 1
}

# A machine may have a bridge of its own that is named like Docker's, such as br-lan, and its way to
# the world may lead over it. Docker's end in twelve hexadecimal digits.
strangers() {
  local path name
  for path in /sys/class/net/br-*; do
    name=${path##*/}
    [[ ! -e $path || $name =~ ^br-[0-9a-f]{12}$ ]] || printf '%s\n' "$name"
  done
}

has_ipv6() { [[ -e /proc/net/if_inet6 ]] && command -v ip6tables >/dev/null; }

denied() { # iptables|ip6tables
  local network
  if [[ $1 == iptables ]]; then printf '%s\n' "${DENY_IPV4[@]}"; else printf '%s\n' "${DENY_IPV6[@]}"; fi
  for network in ${CONTAINERLEASE_FIREWALL_DENY:-}; do
    if [[ $network == *:* ]]; then
      [[ $1 == iptables ]] || printf '%s\n' "$network"
    else
      [[ $1 == ip6tables ]] || printf '%s\n' "$network"
    fi
  done
}

rules() { # iptables|ip6tables
  local name network
  printf '*raw\n:%s - [0:0]\n' "$CHAIN"
  strangers | sed "s/.*/-A $CHAIN -i & -j RETURN/"
  while read -r network; do
    printf '%s\n' "-A $CHAIN -d $network -j DROP"
  done < <(denied "$1")
  printf 'COMMIT\n*filter\n:%s - [0:0]\n' "$CHAIN"
  strangers | sed "s/.*/-A $CHAIN -i & -j RETURN/"
  printf '%s\n' "-A $CHAIN -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
  # Neighbours find each other by ICMP in IPv6, which is ARP's work in IPv4.
  [[ $1 == iptables ]] || printf '%s\n' "-A $CHAIN -p ipv6-icmp -j RETURN"
  printf '%s\nCOMMIT\n' "-A $CHAIN -j DROP"
  # Docker lets through in the table filter what comes from its bridges, and never touches this one.
  printf '*mangle\n:%s - [0:0]\n' "$CHAIN"
  printf '%s\n' "-A $CHAIN -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN"
  printf '%s\nCOMMIT\n' "-A $CHAIN -j DROP"
}

# Calls a function for each place from which our chains are jumped to.
each_jump() { # iptables|ip6tables FUNCTION
  local bridge
  for bridge in "${BRIDGES[@]}"; do
    "$2" "$1" raw PREROUTING -i "$bridge" -j "$CHAIN"
    "$2" "$1" filter INPUT -i "$bridge" -j "$CHAIN"
  done
  "$2" "$1" mangle FORWARD -i "$CLOSED" -j "$CHAIN"
}

is_there() { "$1" -w -t "$2" -C "${@:3}" 2>/dev/null; }
insert() { is_there "$@" || "$1" -w -t "$2" -I "${@:3}"; }
delete() { while is_there "$@"; do "$1" -w -t "$2" -D "${@:3}"; done; }
demand() { is_there "$@" || fail "the rule '$1 -t $2 ${*:3}' is missing; 'firewall.sh up' sets it."; }

families() {
  printf 'iptables\n'
  ! has_ipv6 || printf 'ip6tables\n'
}

up() {
  local family
  for family in $(families); do
    rules "$family" | "$family-restore" -w --noflush || fail "$family-restore refused the rules; its own message is above."
    each_jump "$family" insert
  done
}

down() {
  local family table
  for family in $(families); do
    each_jump "$family" delete
    for table in raw filter mangle; do
      "$family" -w -t "$table" -F "$CHAIN" 2>/dev/null || true
      "$family" -w -t "$table" -X "$CHAIN" 2>/dev/null || true
    done
  done
}

status() {
  local family network
  for family in $(families); do
    each_jump "$family" demand
    while read -r network; do
      demand "$family" raw "$CHAIN" -d "$network" -j DROP
    done < <(denied "$family")
    demand "$family" filter "$CHAIN" -j DROP
    demand "$family" mangle "$CHAIN" -j DROP
  done
}

[[ $# -eq 1 ]] || fail "usage: firewall.sh up|down|status"
[[ $EUID -eq 0 ]] || fail "only root may read and set the rules."
command -v iptables >/dev/null || fail "iptables is missing; install it and run this again."
case $1 in
  up | down | status) "$1" ;;
  *) fail "usage: firewall.sh up|down|status" ;;
esac
