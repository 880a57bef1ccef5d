#!/bin/bash -eu
# Builds all targets for OSS-Fuzz and ClusterFuzzLite, each with its seeds, dictionary and options. A new target needs
# nothing here: fuzz/smoke lists it. The canary stays at home: it fails by design.
cd "$SRC/backfire"
cargo fuzz build -O --debug-assertions
binaries=fuzz/target/x86_64-unknown-linux-gnu/release
while read -r name _ longest dictionary; do
    cp "$binaries/$name" "$OUT/"
    zip -jq "$OUT/${name}_seed_corpus.zip" "fuzz/seeds/$name"/*
    printf '[libfuzzer]\nmax_len = %s\nlen_control = 0\nentropic = 0\ntimeout = 30\n' "$longest" > "$OUT/$name.options"
    [ "$dictionary" = - ] || cp "fuzz/dictionaries/$dictionary.dict" "$OUT/$name.dict"
done < <(grep -v -e '^#' -e '^canary' fuzz/smoke)
