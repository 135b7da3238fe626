#!/usr/bin/env bash
# Blocks containers from the cloud's metadata service and from the host itself, limits each container's
# connections, and restricts some containers to the destinations on an operator's list.
#
# usage: firewall.sh up|down|status|lists
#   up       sets the rules; replaces existing ones atomically
#   down     removes them
#   status   fails if a rule is missing
#   lists    checks the lists and prints the value of the engine's label containerlease.firewall.lists:
#            each name, with @ and its name server if it has one, as in "web@192.0.2.53,db"; needs no root
#
# Container traffic is what arrives from docker0, from a bridge that Docker made (br-…), or from a bridge
# of the two kinds below. A container:
#   - reaches nothing in 169.254.0.0/16 and fd00:ec2::/32: clouds give machines their identity there, and
#     elsewhere such addresses mean the host itself;
#   - reaches nothing in the networks of CONTAINERLEASE_FIREWALL_DENY;
#   - opens no connection to the host, so none to the engine's port. Answers pass;
#   - has at most CONTAINERLEASE_FIREWALL_CONNECTIONS connections at once, in each direction. It may open
#     that many in a burst, and then a 32nd of that per second. The kernel's connection table serves the
#     whole machine: a container that fills it cuts everybody off.
# A bridge clc-… belongs to leases without egress: their containers open no connection at all. A bridge
# named after a list belongs to leases on that list: their containers connect to the list's entries, and
# never to another container, whatever the entries say.
# Docker decides about connections through the host and to ports that it publishes.
#
# The first two rules are in the table raw, ahead of Docker's. Packets there are neither translated nor
# routed yet, so it does not matter whether the address is the host's or lies behind it. Docker rebuilds
# its chains when it starts, but never touches raw. So the rules can be set before Docker starts, and no
# container ever runs without them.
#
# environment; unset variables are read from /etc/containerlease/firewall.env, which setup.sh writes:
#   CONTAINERLEASE_FIREWALL_DENY         more networks, separated by spaces, such as "10.0.0.0/8 fd12::/16"
#   CONTAINERLEASE_FIREWALL_CONNECTIONS  how many connections a container may have at once (4096)
#   CONTAINERLEASE_FIREWALL_LISTS        the egress lists, which leases choose by name:
#                                        "NAME=ENTRY,ENTRY;NAME=ENTRY". An ENTRY is NETWORK (by TCP),
#                                        NETWORK:PORT (by TCP), NETWORK:PORT/udp, or dns=ADDRESS, a name
#                                        server on port 53; [NETWORK]:PORT for IPv6
set -euo pipefail
# Makes a-z match ASCII letters only.
export LC_ALL=C

readonly FILE=/etc/containerlease/firewall.env
readonly CHAIN=CONTAINERLEASE
# The bridges of leases with restricted egress: clc-… and, for lists, cl, four hexadecimal digits and a dash.
# The patterns also match lists that do not exist, so a bridge that appears later is restricted too.
readonly KEPT=(cl{0..9}+ cl{a..f}+)
readonly DENY_IPV4=(169.254.0.0/16)
readonly DENY_IPV6=(fd00:ec2::/32)
# The first packet of a connection. A connection dropped here never enters the connection table. Later
# packets do not match: an unanswered UDP stream, for example, stays NEW for ever.
readonly FIRST='-m conntrack --ctstate NEW ! --ctstatus CONFIRMED'
readonly ANSWERS='-m conntrack --ctstate RELATED,ESTABLISHED'
readonly MOST_CONNECTIONS=1000000
# Empty where the kernel does not count connections.
bounded=1

fail() {
  printf 'firewall.sh: %s\n' "$*" >&2
  exit 1
}

# --- the settings ---------------------------------------------------------------------------

# A run by hand, or an engine started on a machine that is set up, uses the machine's settings.
setting() { # NAME
  if [[ -n ${!1+set} ]]; then
    printf '%s\n' "${!1}"
  elif [[ -r $FILE ]]; then
    sed -nE "s/^$1=[\"']?([^\"']*)[\"']?\$/\1/p" "$FILE" | tail -n 1
  fi
}

deny=$(setting CONTAINERLEASE_FIREWALL_DENY)
connections=$(setting CONTAINERLEASE_FIREWALL_CONNECTIONS)
connections=${connections:-4096}

check_connections() {
  [[ $connections =~ ^[1-9][0-9]{0,6}$ && $connections -le $MOST_CONNECTIONS ]] ||
    fail "CONTAINERLEASE_FIREWALL_CONNECTIONS is '$connections'; it must be a number from 1 to $MOST_CONNECTIONS."
}

is_ipv4() { # ADDRESS[/LENGTH]
  local octet='(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
  [[ $1 =~ ^($octet\.){3}$octet(/([12]?[0-9]|3[0-2]))?$ ]]
}

is_ipv6() { # ADDRESS[/LENGTH]
  local groups='([0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4})*)?' address=${1%%/*} colons
  [[ $1 =~ ^[^/]+(/([1-9]?[0-9]|1[01][0-9]|12[0-8]))?$ ]] || return 1
  colons=${address//[^:]/}
  if [[ $address == *::* ]]; then
    # The two colons replace at least one group.
    [[ $address =~ ^$groups::$groups$ && ${#colons} -le 7 ]]
  else
    [[ $address =~ ^$groups$ && ${#colons} -eq 7 ]]
  fi
}

is_port() { [[ $1 =~ ^[1-9][0-9]{0,4}$ && $1 -le 65535 ]]; }

trim() {
  local text=${1#"${1%%[![:space:]]*}"}
  printf '%s\n' "${text%"${text##*[![:space:]]}"}"
}

# Prints what an entry allows, one line each: FAMILY and the iptables match. Fails if it is no entry.
allowed_by() { # ENTRY
  local network=$1 port='' protocol=tcp
  if [[ $1 == dns=* ]]; then
    network=${1#dns=}
    if is_ipv4 "$network/32"; then
      printf '%s\n' "iptables -d $network -p udp --dport 53" "iptables -d $network -p tcp --dport 53"
    elif is_ipv6 "$network/128"; then
      printf '%s\n' "ip6tables -d $network -p udp --dport 53" "ip6tables -d $network -p tcp --dport 53"
    else
      return 1
    fi
    return
  fi
  if [[ $1 =~ ^(\[[^]]*\]|[0-9./]+):([0-9]+)(/udp)?$ ]]; then
    network=${BASH_REMATCH[1]} port=${BASH_REMATCH[2]}
    [[ -z ${BASH_REMATCH[3]} ]] || protocol=udp
    is_port "$port" || return 1
  fi
  if is_ipv4 "$network"; then
    printf '%s\n' "iptables -d $network -p $protocol${port:+ --dport $port}"
  elif [[ $network == \[*\] ]] && is_ipv6 "${network:1:-1}"; then
    printf '%s\n' "ip6tables -d ${network:1:-1} -p $protocol${port:+ --dport $port}"
  elif [[ -z $port ]] && is_ipv6 "$network"; then
    printf '%s\n' "ip6tables -d $network -p $protocol"
  else
    return 1
  fi
}

# For each list: its name, the four digits in its bridges' names, what it allows, its name server.
names=()
digits=()
allowed=()
servers=()

read_lists() {
  local all list parts
  all=$(setting CONTAINERLEASE_FIREWALL_LISTS)
  # Newlines count as spaces, because 'read' would stop at them.
  IFS=';' read -ra parts <<<"${all//$'\n'/ }"
  for list in ${parts[@]+"${parts[@]}"}; do
    list=$(trim "$list")
    [[ -z $list ]] || read_list "$list"
  done
}

read_list() { # NAME=ENTRY,…
  local name entry entries more server='' all='' digit index
  [[ $1 == *=* ]] || fail "the list '$1' must look like NAME=ENTRY,ENTRY."
  name=$(trim "${1%%=*}")
  [[ $name =~ ^[a-z][a-z0-9-]{0,19}$ && $name != open && $name != none ]] ||
    fail "the list '$1' has the name '$name'; a name has up to 20 of a-z, 0-9 and -, begins with a letter, and is neither open nor none."
  digit=$(printf '%s' "$name" | sha256sum)
  digit=${digit:0:4}
  for index in ${names[@]+"${!names[@]}"}; do
    [[ ${names[index]} != "$name" ]] || fail "there are two lists of the name '$name'."
    [[ ${digits[index]} != "$digit" ]] ||
      fail "the bridges of the list '$name' would be named like those of '${names[index]}'; give it another name."
  done
  # The trailing comma makes an empty last entry visible.
  IFS=, read -ra entries <<<"${1#*=},"
  for entry in "${entries[@]}"; do
    entry=$(trim "$entry")
    more=$(allowed_by "$entry") ||
      fail "the list '$name' has the entry '$entry'; one is NETWORK, NETWORK:PORT, NETWORK:PORT/udp, [NETWORK]:PORT for IPv6, or dns=ADDRESS."
    all+=$more$'\n'
    [[ $entry == dns=* ]] || continue
    [[ -z $server ]] || fail "the list '$name' has a second name server in the entry '$entry'; it takes one."
    server=${entry#dns=}
  done
  names+=("$name")
  digits+=("$digit")
  allowed+=("$all")
  servers+=("$server")
}

lists() {
  local index label=''
  for index in ${names[@]+"${!names[@]}"}; do
    label+=${label:+,}${names[index]}${servers[index]:+@${servers[index]}}
  done
  printf '%s\n' "$label"
}

# --- bridges --------------------------------------------------------------------------------

# A machine may have its own bridge with a name like Docker's, such as br-lan, and reach the Internet over
# it. Docker's names end in twelve hexadecimal digits.
strangers() {
  local path name
  for path in /sys/class/net/{br-,cl[0-9a-f]}*; do
    name=${path##*/}
    [[ ! -e $path || $name =~ ^(br-[0-9a-f]{12}$|cl(c|[0-9a-f]{4})-) ]] || printf '%s\n' "$name"
  done
}

bridges() { printf '%s\n' docker0 br-+ "${KEPT[@]}"; }

# --- the rules ------------------------------------------------------------------------------

has_ipv6() { [[ -e /proc/net/if_inet6 ]] && command -v ip6tables >/dev/null; }

denied() { # iptables|ip6tables
  local network
  if [[ $1 == iptables ]]; then printf '%s\n' "${DENY_IPV4[@]}"; else printf '%s\n' "${DENY_IPV6[@]}"; fi
  for network in $deny; do
    if [[ $network == *:* ]]; then
      [[ $1 == iptables ]] || printf '%s\n' "$network"
    else
      [[ $1 == ip6tables ]] || printf '%s\n' "$network"
    fi
  done
}

begin() { # TABLE CHAIN…
  printf '*%s\n' "$1"
  printf ':%s - [0:0]\n' "${@:2}"
}

# Prints one rule for each line of standard input, which replaces the & in RULE.
for_each() { # RULE
  sed "s|.*|-A $1|"
}

# The rules of our chains, in the format of iptables-restore. The caller passes the strangers, because
# status does not demand a rule for each: they may come and go.
rules() { # iptables|ip6tables STRANGERS
  begin raw "$CHAIN" "$CHAIN-DENY"
  from_bridges "$2" "$CHAIN-DENY"
  denied "$1" | for_each "$CHAIN-DENY -d & -j DROP"
  printf 'COMMIT\n'

  begin filter "$CHAIN" "$CHAIN-HOST"
  from_bridges "$2" "$CHAIN-HOST"
  printf '%s\n' "-A $CHAIN-HOST $ANSWERS -j RETURN"
  # IPv6 uses ICMP to find neighbours, where IPv4 uses ARP.
  [[ $1 == iptables ]] || printf '%s\n' "-A $CHAIN-HOST -p ipv6-icmp -j RETURN"
  printf '%s\nCOMMIT\n' "-A $CHAIN-HOST -j DROP"

  # In the table filter Docker accepts everything from its bridges. It never touches mangle.
  begin mangle "$CHAIN" "$CHAIN-NEAR" "$CHAIN-FROM" "$CHAIN-TO" ${digits[@]+"${digits[@]/#/$CHAIN-}"}
  printf '%s\n' "-A $CHAIN $ANSWERS -j RETURN"
  lines "$2" | for_each "$CHAIN -i & -g $CHAIN-TO"
  list_rules "$1" "$2"
  # Bridges without a list, and bridges of lists that are no longer in the settings.
  printf '%s\n' "${KEPT[@]}" | for_each "$CHAIN -i & -j DROP"
  printf '%s\n' docker0 br-+ | for_each "$CHAIN -i & -g $CHAIN-FROM"
  printf '%s\n' "-A $CHAIN -j $CHAIN-TO"
  [[ -z $bounded ]] || bound_rules "$1" "$2"
  printf 'COMMIT\n'
}

from_bridges() { # STRANGERS CHAIN
  lines "$1" | for_each "$CHAIN -i & -j RETURN"
  bridges | for_each "$CHAIN -i & -j $2"
}

lines() { # TEXT; none where it is empty
  [[ -z $1 ]] || printf '%s\n' "$1"
}

list_rules() { # iptables|ip6tables STRANGERS
  local index chain
  # An entry may include the addresses of other containers or of their published ports.
  lines "$2" | for_each "$CHAIN-NEAR -o & -j RETURN"
  bridges | for_each "$CHAIN-NEAR -o & -j DROP"
  for index in ${digits[@]+"${!digits[@]}"}; do
    chain=$CHAIN-${digits[index]}
    printf '%s\n' "-A $CHAIN -i cl${digits[index]}-+ -g $chain" "-A $chain -j $CHAIN-NEAR"
    printf '%s' "${allowed[index]}" | sed -n "s/^$1 \(.*\)/-A $chain \1 -g $CHAIN-FROM/p"
    printf '%s\n' "-A $chain -j DROP"
  done
}

# connlimit does not count closed connections, but they stay in the kernel's table for two minutes. So the
# rate of new ones is limited too. The rate comes first, because counting is slow.
# Connections from the Internet to a published port have no rate limit: any port of the host can be flooded.
# Connections between containers do not count for the target, or packets that Docker drops later would cut
# it off.
bound_rules() { # iptables|ip6tables STRANGERS
  local mask=32 limit rate=$(((connections + 31) / 32))
  [[ $1 == iptables ]] || mask=128
  limit="-m connlimit --connlimit-above $connections --connlimit-mask $mask"
  # hashlimit keeps a table's settings while a rule uses its name. An entry expires after a quiet minute,
  # which is longer than a used-up burst takes to refill.
  printf '%s\n' "-A $CHAIN-FROM $FIRST -m hashlimit --hashlimit-above $rate/sec --hashlimit-burst $connections --hashlimit-mode srcip --hashlimit-name cl-$connections --hashlimit-htable-expire 60000 -j DROP"
  printf '%s\n' "-A $CHAIN-FROM $FIRST $limit --connlimit-saddr -j DROP"
  lines "$2" | for_each "$CHAIN-TO -o & -j RETURN"
  bridges | for_each "$CHAIN-TO -o & $FIRST $limit --connlimit-daddr -j DROP"
}

# --- commands -------------------------------------------------------------------------------

# Calls a function for each jump to our chains. The chains tell the bridges apart, so the jumps are the
# same whatever the settings are.
each_jump() { # iptables|ip6tables FUNCTION
  "$2" "$1" raw PREROUTING -j "$CHAIN"
  "$2" "$1" filter INPUT -j "$CHAIN"
  "$2" "$1" mangle FORWARD -j "$CHAIN"
}

is_there() { "$1" -w -t "$2" -C "${@:3}" 2>/dev/null; }
insert() { is_there "$@" || "$1" -w -t "$2" -I "${@:3}"; }
demand() { is_there "$@" || fail "the rule '$1 -t $2 ${*:3}' is missing; 'firewall.sh up' sets it."; }

families() {
  printf 'iptables\n'
  ! has_ipv6 || printf 'ip6tables\n'
}

# Prints those of our chains that exist.
chains() { # iptables|ip6tables TABLE
  "$1" -w -t "$2" -S 2>/dev/null | sed -nE "s/^-N ($CHAIN(-[A-Z0-9a-f]+)?)$/\1/p" || true
}

up() {
  local family text chain
  for family in $(families); do
    text=$(rules "$family" "$(strangers)")
    if ! "$family-restore" -w --noflush <<<"$text"; then
      # All other rules work without connlimit and hashlimit.
      printf 'firewall.sh: %s\n' "this kernel does not count connections, so containers' connections are not limited; the message of $family-restore is above." >&2
      bounded=
      text=$(rules "$family" "$(strangers)")
      "$family-restore" -w --noflush <<<"$text" || fail "$family-restore refused the rules; its own message is above."
    fi
    each_jump "$family" insert
    # Chains of lists that are no longer in the settings.
    for chain in $(chains "$family" mangle); do
      grep -q "^:$chain " <<<"$text" || { "$family" -w -t mangle -F "$chain" && "$family" -w -t mangle -X "$chain"; }
    done
  done
}

down() {
  local family table chain jump
  for family in $(families); do
    for table in raw filter mangle; do
      # With any settings, also those of earlier versions of this script.
      while read -ra jump; do
        "$family" -w -t "$table" -D "${jump[@]:1}"
      done < <("$family" -w -t "$table" -S 2>/dev/null | grep -E "^-A (PREROUTING|INPUT|FORWARD) .*-j $CHAIN\$" || true)
      for chain in $(chains "$family" "$table"); do "$family" -w -t "$table" -F "$chain"; done
      for chain in $(chains "$family" "$table"); do "$family" -w -t "$table" -X "$chain"; done
    done
  done
}

# One call checks all rules. If it fails, they are checked one by one to name the first that is missing.
status() {
  local family table='' line words
  for family in $(families); do
    # If the kernel cannot count connections, up left this chain without rules.
    [[ $("$family" -w -t mangle -S "$CHAIN-FROM" 2>/dev/null) != "-N $CHAIN-FROM" ]] || bounded=
    ! has_all "$family" || continue
    each_jump "$family" demand
    while read -r line; do
      case $line in
        \**) table=${line#\*} ;;
        -A*)
          read -ra words <<<"$line"
          demand "$family" "$table" "${words[@]:1}"
          ;;
      esac
    done < <(rules "$family" '')
  done
}

has_all() { # iptables|ip6tables
  {
    each_jump "$1" check_line
    rules "$1" '' | sed -e '/^:/d' -e 's/^-A/-C/'
  } | "$1-restore" -w --noflush 2>/dev/null
}
check_line() { printf '*%s\n-C %s\nCOMMIT\n' "$2" "${*:3}"; }

[[ $# -eq 1 && $1 =~ ^(up|down|status|lists)$ ]] || fail "usage: firewall.sh up|down|status|lists"
# Rules can be removed whatever the settings are.
if [[ $1 != down ]]; then
  check_connections
  read_lists
fi
if [[ $1 != lists ]]; then
  [[ $EUID -eq 0 ]] || fail "only root may read and set the rules."
  command -v iptables >/dev/null || fail "iptables is missing; install it and run this again."
fi
"$1"
