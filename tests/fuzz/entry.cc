#include "fuzz/entry.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>

namespace transship::fuzz {

namespace {

std::vector<NamedEntry>& list() {
  static std::vector<NamedEntry> instance;
  return instance;
}

}  // namespace

bool add_entry(std::string_view name, Entry run) {
  list().push_back({name, run});
  return true;
}

const std::vector<NamedEntry>& entries() { return list(); }

void require(bool holds, std::string_view what) {
  if (holds) return;
  fmt::print(stderr, "does not hold: {}\n", what);
  std::abort();
}

}  // namespace transship::fuzz
