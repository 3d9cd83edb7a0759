#!/bin/sh
# The linker runs this for each undefined symbol (`undefined-symbol NAME`) and each missing library (`missing-lib NAME`).
# It adds the reason to the linker's own message, which names the function that refers to it.
case "$1" in
undefined-symbol) what="no crate defines \`$2\`, and an image has no C library" ;;
missing-lib) what="there is no library \`$2\`, and an image links none" ;;
*) exit 0 ;;
esac
echo "switchboard-link: $what; see docs/crates.md of Switchboard" >&2
