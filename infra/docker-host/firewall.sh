#!/usr/bin/env bash
# Keeps containers away from the cloud's metadata service and from the host itself, bounds how many
# connections each of them may have, and lets some connect only to what a list of the operator's names.
#
# usage: firewall.sh up|down|status|lists
#   up       sets the rules; those that are there already are replaced at one stroke
#   down     takes them away
#   status   fails where they are not all there
#   lists    checks the lists and prints what an engine's label says of them (containerlease.firewall.lists):
#            each name, with @ and the name server where it has one, as in "web@192.0.2.53,db"; no root
#
# What comes from a container, that is from docker0, a bridge that Docker has made (br-…) or one of the two
# kinds below:
#   - reaches nothing at 169.254.0.0/16 and fd00:ec2::/32: there a cloud gives its machines their
#     identity, and addresses of that kind mean the host itself elsewhere;
#   - reaches nothing at what CONTAINERLEASE_FIREWALL_DENY lists;
#   - opens no connection to the host, and so none to the engine's port. Answers pass;
#   - has CONTAINERLEASE_FIREWALL_CONNECTIONS connections at once at most, opens a 32nd of that each second
#     after so many at one go, and is connected to by as many at once. The kernel's table of connections is
#     the whole machine's: whoever fills it cuts everybody off.
# What comes from a bridge that is named clc-… opens no connection at all: it is the network of leases
# that were asked for with no way out. What comes from one that is named as a list's opens connections to
# what the list has, and to no other container, whatever the list has.
# Connections through the host, and to ports that it publishes, are Docker's to judge.
#
# The first two rules stand in the table raw, before Docker's own: what is dropped there has not yet
# been translated or routed, so it makes no difference whether the address is the host's or lies
# behind it, and Docker, which makes its chains anew when it starts, never touches them. For the same
# reason they can be set before Docker starts, and a container never runs without them.
#
# environment; what is not set there is read from /etc/containerlease/firewall.env, which setup.sh writes:
#   CONTAINERLEASE_FIREWALL_DENY         more networks, separated by spaces, such as "10.0.0.0/8 fd12::/16"
#   CONTAINERLEASE_FIREWALL_CONNECTIONS  how many connections a container may have at once (4096)
#   CONTAINERLEASE_FIREWALL_LISTS        where leases may connect to that name one of these lists:
#                                        "NAME=ENTRY,ENTRY;NAME=ENTRY". An ENTRY is NETWORK (by TCP),
#                                        NETWORK:PORT (by TCP), NETWORK:PORT/udp, or dns=ADDRESS, a name
#                                        server on port 53; [NETWORK]:PORT for IPv6
set -euo pipefail
# So that a-z are the letters of ASCII.
export LC_ALL=C

readonly FILE=/etc/containerlease/firewall.env
readonly CHAIN=CONTAINERLEASE
# The bridges of leases that are not to connect everywhere: clc-… and, for lists, cl, four hexadecimal digits
# and a dash. All of them, those of lists that nobody has named too: a bridge that comes later is kept in.
readonly KEPT=(cl{0..9}+ cl{a..f}+)
readonly DENY_IPV4=(169.254.0.0/16)
readonly DENY_IPV6=(fd00:ec2::/32)
# The first packet of a connection. What is dropped now never comes into the table of connections; a
# later packet is left alone, as of a stream by UDP that nobody answers, which stays NEW for ever.
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

# Whoever looks by hand, or starts an engine on a machine that is set up, goes by its settings.
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
    # The two colons stand for one group at the least.
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

# Prints what an entry allows, each as FAMILY and what iptables matches it by; fails where it is none.
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

# Of each list the name, the four digits that its bridges are named by, what it allows, the name server.
names=()
digits=()
allowed=()
servers=()

read_lists() {
  local all list parts
  all=$(setting CONTAINERLEASE_FIREWALL_LISTS)
  # A line's end is as good as a space; 'read' would end there.
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
  # With the comma at the end, an entry that is empty is one there, too.
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

# A machine may have a bridge of its own that is named like Docker's, such as br-lan, and its way to
# the world may lead over it. Docker's end in twelve hexadecimal digits.
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

# One rule for each line of the standard input, which stands where it says &.
for_each() { # RULE
  sed "s|.*|-A $1|"
}

# What each of our chains does, as iptables-restore reads it. Strangers are given, because status does not
# demand that each has its rule: they may come and go.
rules() { # iptables|ip6tables STRANGERS
  begin raw "$CHAIN" "$CHAIN-DENY"
  from_bridges "$2" "$CHAIN-DENY"
  denied "$1" | for_each "$CHAIN-DENY -d & -j DROP"
  printf 'COMMIT\n'

  begin filter "$CHAIN" "$CHAIN-HOST"
  from_bridges "$2" "$CHAIN-HOST"
  printf '%s\n' "-A $CHAIN-HOST $ANSWERS -j RETURN"
  # Neighbours find each other by ICMP in IPv6, which is ARP's work in IPv4.
  [[ $1 == iptables ]] || printf '%s\n' "-A $CHAIN-HOST -p ipv6-icmp -j RETURN"
  printf '%s\nCOMMIT\n' "-A $CHAIN-HOST -j DROP"

  # Docker lets through in the table filter what comes from its bridges, and never touches this one.
  begin mangle "$CHAIN" "$CHAIN-NEAR" "$CHAIN-FROM" "$CHAIN-TO" ${digits[@]+"${digits[@]/#/$CHAIN-}"}
  printf '%s\n' "-A $CHAIN $ANSWERS -j RETURN"
  lines "$2" | for_each "$CHAIN -i & -g $CHAIN-TO"
  list_rules "$1" "$2"
  # Those without a list, and those of lists that are in the setting no more, whenever they come.
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
  # An entry may cover the addresses of other containers, or of ports that they publish.
  lines "$2" | for_each "$CHAIN-NEAR -o & -j RETURN"
  bridges | for_each "$CHAIN-NEAR -o & -j DROP"
  for index in ${digits[@]+"${!digits[@]}"}; do
    chain=$CHAIN-${digits[index]}
    printf '%s\n' "-A $CHAIN -i cl${digits[index]}-+ -g $chain" "-A $chain -j $CHAIN-NEAR"
    printf '%s' "${allowed[index]}" | sed -n "s/^$1 \(.*\)/-A $chain \1 -g $CHAIN-FROM/p"
    printf '%s\n' "-A $chain -j DROP"
  done
}

# A connection that is closed counts for no match any more, but keeps its place in the table for two
# minutes; so it is bounded how fast they are opened, too. The rate comes first, since counting takes time.
# What the world opens to a published port has no such bound: it can do the same with any port of the host.
# Nor is what comes from a container counted to another, who would be cut off by what Docker drops later.
bound_rules() { # iptables|ip6tables STRANGERS
  local mask=32 limit rate=$(((connections + 31) / 32))
  [[ $1 == iptables ]] || mask=128
  limit="-m connlimit --connlimit-above $connections --connlimit-mask $mask"
  # A table of that name stays as it was made while a rule uses it. It forgets who is quiet for a minute,
  # which is longer than it takes until so many may be opened at one go again.
  printf '%s\n' "-A $CHAIN-FROM $FIRST -m hashlimit --hashlimit-above $rate/sec --hashlimit-burst $connections --hashlimit-mode srcip --hashlimit-name cl-$connections --hashlimit-htable-expire 60000 -j DROP"
  printf '%s\n' "-A $CHAIN-FROM $FIRST $limit --connlimit-saddr -j DROP"
  lines "$2" | for_each "$CHAIN-TO -o & -j RETURN"
  bridges | for_each "$CHAIN-TO -o & $FIRST $limit --connlimit-daddr -j DROP"
}

# --- commands -------------------------------------------------------------------------------

# Calls a function for each place from which our chains are jumped to. The bridges are told apart in the
# chains, so that these places stay the same whatever the settings are.
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

# The chains of ours that are there.
chains() { # iptables|ip6tables TABLE
  "$1" -w -t "$2" -S 2>/dev/null | sed -nE "s/^-N ($CHAIN(-[A-Z0-9a-f]+)?)$/\1/p" || true
}

up() {
  local family text chain
  for family in $(families); do
    text=$(rules "$family" "$(strangers)")
    if ! "$family-restore" -w --noflush <<<"$text"; then
      # All others are there without connlimit and hashlimit, too.
      printf 'firewall.sh: %s\n' "this kernel does not count connections, so that those of a container are not bounded; the message of $family-restore is above." >&2
      bounded=
      text=$(rules "$family" "$(strangers)")
      "$family-restore" -w --noflush <<<"$text" || fail "$family-restore refused the rules; its own message is above."
    fi
    each_jump "$family" insert
    # Of lists that are in the setting no more.
    for chain in $(chains "$family" mangle); do
      grep -q "^:$chain " <<<"$text" || { "$family" -w -t mangle -F "$chain" && "$family" -w -t mangle -X "$chain"; }
    done
  done
}

down() {
  local family table chain jump
  for family in $(families); do
    for table in raw filter mangle; do
      # Whatever their settings were, and those of earlier versions of this script.
      while read -ra jump; do
        "$family" -w -t "$table" -D "${jump[@]:1}"
      done < <("$family" -w -t "$table" -S 2>/dev/null | grep -E "^-A (PREROUTING|INPUT|FORWARD) .*-j $CHAIN\$" || true)
      for chain in $(chains "$family" "$table"); do "$family" -w -t "$table" -F "$chain"; done
      for chain in $(chains "$family" "$table"); do "$family" -w -t "$table" -X "$chain"; done
    done
  done
}

# One program asks for all; where it does not find them, they are asked for one by one, to name the first.
status() {
  local family table='' line words
  for family in $(families); do
    # Where the kernel does not count connections, up has left this chain without rules.
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
# What is set can be taken away whatever the settings are.
if [[ $1 != down ]]; then
  check_connections
  read_lists
fi
if [[ $1 != lists ]]; then
  [[ $EUID -eq 0 ]] || fail "only root may read and set the rules."
  command -v iptables >/dev/null || fail "iptables is missing; install it and run this again."
fi
"$1"
