# For the benchmarks to source, in the project's root.

# Builds what is measured, then runs bench/lib/$1. $2: targets, with spaces between. Then arguments.
# Help needs no build.
run_bench() {
  local main=$1 targets=$2 argument help=
  shift 2
  for argument; do
    case $argument in -h | --help) help=1 ;; esac
  done
  if [[ -z $help ]]; then
    mkdir -p build
    cmake --preset release -DTS_BENCH=ON >build/release.configure.log 2>&1 ||
      { cat build/release.configure.log >&2; exit 1; }
    # shellcheck disable=SC2086  # a word each
    ninja --quiet -C build/release transship $targets
  fi
  exec python3 "bench/lib/$main" "$@"
}
