# To be read by what runs steps and counts their tests: .ci/run and .ci/nightly.

passed=0 failed=0 skipped=0
# What failed and why, to be said again where a reader of the last lines finds it.
failures=''

# step SECONDS LOG COMMAND…: shows its output and keeps it in LOG, answers its exit code. When its time is over it is
# interrupted as by Ctrl-C, so that tests still stop their services and print their counts; half a minute later it is killed.
step() {
  local seconds="$1" log="$2"
  shift 2
  echo
  echo "── $* (at most $seconds s)"
  timeout --signal=INT --kill-after=30 "$seconds" "$@" </dev/null 2>&1 | tee "$log"
  return "${PIPESTATUS[0]}"
}

# count LOG CODE NAME IS_TEST: adds the counts of the last line that has some. What failed without having counted a failure
# has failed as a whole, and so have tests that have tested nothing. Answers 1 when something failed; sets `counts`.
count() {
  local log="$1" code="$2" name="$3" is_test="$4" step_passed=0 step_failed=0
  counts="$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -1)"
  if [[ "$counts" =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)? ]]; then
    step_passed="${BASH_REMATCH[1]}" step_failed="${BASH_REMATCH[2]}"
    skipped=$((skipped + ${BASH_REMATCH[4]:-0}))
  fi
  if [ "$code" -ne 0 ] && [ "$step_failed" -eq 0 ]; then
    echo "── failed as a whole, with exit code $code: $name"
    step_failed=1
  fi
  if [ "$is_test" = true ] && [ "$code" -eq 0 ] && [ $((step_passed + step_failed)) -eq 0 ]; then
    echo "── failed as a whole: no test has run: $name"
    step_failed=1
  fi
  passed=$((passed + step_passed)) failed=$((failed + step_failed))
  [ "$step_failed" -eq 0 ] && return
  failures+="── $name"$'\n'"$(why_failed "$log")"$'\n'
  return 1
}

# why_failed LOG: the beginnings of the first failures as Playwright numbers them; of what ended before its summary the tests
# that had failed, and the last lines.
why_failed() {
  local numbered
  numbered="$(awk '
    /^ +[0-9]+\) \[/ { left = ++number <= 8 ? 12 : 1 }
    /^ +[0-9]+ (failed|flaky|passed|skipped|did not run)/ { left = 0 }
    left > 0 && NF > 0 { left--; print substr($0, 1, 200) }' "$1")"
  echo "${numbered:-$(grep '^  ✘' "$1" | head -n 20 | cut -c 1-200)
$(tail -n 20 "$1" | cut -c 1-200)}"
}

# What failed, the last line, and the exit code.
finish() {
  [ -z "$failures" ] || printf 'What failed:\n%s\n' "$failures"
  echo "$passed passed, $failed failed$([ "$skipped" -eq 0 ] || echo ", $skipped skipped")"
  [ "$failed" -eq 0 ] && exit 0 || exit 1
}
