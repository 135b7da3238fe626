#!/usr/bin/env bash
# Messages of the scripts, read with `source`. What ships to a Docker host has its own.

SCRIPT=${0##*/}

# What is being done, for whoever waits.
say() { printf '==> %s\n' "$*" >&2; }

# Why the script cannot go on, in one sentence.
fail() {
  printf '%s: %s\n' "$SCRIPT" "$*" >&2
  exit 1
}
