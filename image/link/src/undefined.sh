#!/bin/sh
# The linker runs this for each symbol or library that it does not find: `undefined-symbol NAME` or
# `missing-lib NAME`. It adds the reason to the linker's own lines, which name the function that refers to it.
case "$1" in
undefined-symbol)
    echo "switchboard-link: no crate defines \`$2\`. An image has no C library and no operating system below it." ;;
missing-lib)
    echo "switchboard-link: no library \`$2\`. An image links no C library." ;;
esac >&2
echo "switchboard-link: which crates work, and how to find the one that needs this: docs/crates.md of Switchboard." >&2
