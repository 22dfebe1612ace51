#!/usr/bin/env bash
# Fuzzes what the addon reads of untrusted bytes with libFuzzer under ASan and UBSan, each target from a seed corpus.
#
#   npm run fuzz                          every target for 10 seconds
#   npm run fuzz -- 3600 public_key       one target for an hour
#   npm run fuzz -- --ci                  every target for 3 seconds
#
# Prints executions and covered edges per target and the line coverage of what was fuzzed. Exits with 1 on the first kind of
# crash found; its input stays in build/fuzz/crashes. What was found interesting stays in build/fuzz/corpus for the next run.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf '[fuzz] %s\n' "$*"; }

seconds=10
if [ "${1:-}" = --ci ]; then seconds=3; shift; fi
if [[ "${1:-}" =~ ^[0-9]+$ ]]; then seconds=$1; shift; fi

packages=(clang-14 libclang-rt-14-dev llvm-14)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  sudo=()
  [ "$(id -u)" -eq 0 ] || sudo=(sudo)
  say "installing ${missing[*]}"
  "${sudo[@]}" apt-get update -qq || say 'apt-get update had errors; trying with the lists at hand'
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
bash scripts/setup.sh

dir=build/fuzz
mkdir -p "$dir"
say 'building the targets (minutes the first time)'
cmake -S . -B "$dir" -G Ninja -DCMAKE_CXX_COMPILER=clang++-14 -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCGA_BUILD_ADDON=OFF \
  -DCGA_BUILD_FUZZERS=ON -DCGA_SANITIZE=fuzzer-no-link,address,undefined \
  -DCMAKE_CXX_FLAGS='-fprofile-instr-generate -fcoverage-mapping -fno-sanitize-recover=all' >"$dir/cmake.log" ||
  { cat "$dir/cmake.log"; exit 1; }
cmake --build "$dir" -- --quiet

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for source in cpp/test/fuzz/*.cc; do targets+=("$(basename "$source" .cc)"); done
fi
say "seeds: $(node scripts/fuzz-seeds.mjs "$dir/seeds")"

crashes=$dir/crashes profiles=$dir/profiles failed=0
mkdir -p "$crashes" "$profiles"
rm -f "$profiles"/*.profraw
printf '%-20s %12s %8s %10s %7s\n' target executions edges features corpus
objects=()
for target in "${targets[@]}"; do
  program=$dir/fuzz_$target
  [ -x "$program" ] || { say "there is no target $target"; exit 2; }
  mkdir -p "$dir/corpus/$target"
  log=$dir/$target.log status=0
  # -timeout: one input that takes longer is a hang. -rss_limit_mb and -malloc_limit_mb: memory is bounded by the input.
  LLVM_PROFILE_FILE="$profiles/$target.profraw" "$program" -max_total_time="$seconds" -print_final_stats=1 -timeout=10 \
    -rss_limit_mb=1024 -malloc_limit_mb=256 -max_len=65536 -artifact_prefix="$crashes/$target-" \
    "$dir/corpus/$target" "$dir/seeds/$target" >"$log" 2>&1 || status=$?
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  read -r edges features corpus < <(sed -n 's/.* cov: \([0-9]*\) ft: \([0-9]*\) corp: \([0-9]*\).*/\1 \2 \3/p' "$log" | tail -1) || true
  printf '%-20s %12s %8s %10s %7s\n' "$target" "${executions:-?}" "${edges:-?}" "${features:-?}" "${corpus:-?}"
  if [ $status -ne 0 ]; then
    failed=1
    say "$target FAILED: inputs in $crashes, log in $log"
    grep -E '^(==|SUMMARY|artifact_prefix)' "$log" | head -5 || true
  fi
  objects+=(-object "$program")
done

if ls "$profiles"/*.profraw >/dev/null 2>&1; then
  llvm-profdata-14 merge -sparse "$profiles"/*.profraw -o "$dir/all.profdata"
  say 'line coverage of the fuzzed sources'
  llvm-cov-14 report "${objects[@]}" -instr-profile="$dir/all.profdata" 2>"$dir/coverage.log" |
    awk '$1 ~ /core\/(signature|crypto\/(chunked|session|key_unwrap))/ && $1 ~ /\.cc$/ { sub(/^.*core/, "core", $1); lines += $8; missed += $9
           printf "  %-32s %5d lines, %s\n", $1, $8, $10 }
         END { if (lines) printf "  %-32s %5d lines, %.1f%%\n", "together", lines, 100 * (lines - missed) / lines }'
fi
exit $failed
