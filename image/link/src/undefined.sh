#!/bin/sh
# The linker runs this for each symbol or library that it does not find: `undefined-symbol NAME` or
# `missing-lib NAME`. It adds the reason to the linker's own lines, which name the function that refers to it.
case "$1" in
undefined-symbol) what="no crate defines \`$2\`, and an image has no C library" ;;
missing-lib) what="there is no library \`$2\`, and an image links none" ;;
*) exit 0 ;;
esac
echo "switchboard-link: $what; see docs/crates.md of Switchboard" >&2
